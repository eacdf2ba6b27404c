// Apollo Client: HTTP for queries and mutations; subscriptions over a socket, or as multipart answers of HTTP.

import { ApolloClient, ApolloLink, HttpLink, InMemoryCache, gql } from "@apollo/client";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { OperationTypeNode } from "graphql";
import { documents } from "./hub.js";
import { each } from "./following.mjs";
import { socketOf } from "./graphql-ws.mjs";

export const refusedAs = { asking: "UNAUTHENTICATED", watching: 4403 };

export function open({ url, token }) {
  const socket = socketOf({ url, token });
  const http = httpOf({ url, token });
  const isSubscription = ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION;
  const client = clientOf(ApolloLink.split(isSubscription, new GraphQLWsLink(socket), http));
  return { ...client, close: () => socket.dispose() };
}

export function httpOf({ url, token }) {
  return new HttpLink({ uri: `${url}/graphql`, headers: { Authorization: `Bearer ${token}` } });
}

export function clientOf(link) {
  const client = new ApolloClient({ cache: new InMemoryCache(), link });
  return {
    async ask(name, variables) {
      const document = gql(documents[name]);
      const isMutation = name.endsWith("Mutation");
      const { data } = await (isMutation
        ? client.mutate({ mutation: document, variables })
        : client.query({ query: document, variables, fetchPolicy: "network-only" }));
      return data;
    },
    async *watch(variables) {
      const query = gql(documents.hubProgressSubscription);
      const results = each((sink) => {
        const subscription = client.subscribe({ query, variables, fetchPolicy: "no-cache" }).subscribe(sink);
        return () => subscription.unsubscribe();
      });
      for await (const { data, error } of results) {
        if (error) throw withCode(error);
        yield data.importProgress;
      }
    },
    close: () => client.stop(),
  };
}

/** Of the socket's end Apollo tells a sentence alone. */
function withCode(error) {
  const [, code] = /^Socket closed with event (\d+)/.exec(error.message) ?? [];
  return code ? Object.assign(error, { code: Number(code) }) : error;
}
