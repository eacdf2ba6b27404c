// What the clients ask. Relay's compiler reads this file; all others send the text as it is.

const graphql = String.raw;

export const documents = {
  hubViewerQuery: graphql`
    query hubViewerQuery {
      viewer {
        subject
      }
    }
  `,
  hubImportsQuery: graphql`
    query hubImportsQuery($tenants: [ID!], $first: Int!, $after: String) {
      importJobs(filter: { tenantIds: $tenants }, first: $first, after: $after) {
        edges {
          cursor
          node {
            id
            state
          }
        }
        pageInfo {
          hasNextPage
          endCursor
        }
      }
    }
  `,
  hubExportMutation: graphql`
    mutation hubExportMutation($input: ExportPackageInput!) {
      exportPackage(input: $input) {
        exportedPackage {
          id
          name
        }
        refusal {
          code
          message
        }
      }
    }
  `,
  hubImportMutation: graphql`
    mutation hubImportMutation($input: ImportPackageInput!) {
      importPackage(input: $input) {
        importJob {
          id
          state
        }
        refusal {
          code
          message
        }
      }
    }
  `,
  hubDecideMutation: graphql`
    mutation hubDecideMutation($input: ResolveConflictsInput!) {
      resolveConflicts(input: $input) {
        importJob {
          id
          state
        }
        refusal {
          code
          message
        }
      }
    }
  `,
  hubProgressSubscription: graphql`
    subscription hubProgressSubscription($id: ID!, $after: Int!) {
      importProgress(importId: $id, after: $after) {
        firstSeq
        seq
        kind
        state
        message
        isFinal
      }
    }
  `,
};
