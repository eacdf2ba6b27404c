// graphql-sse: everything as server-sent events, a request each.

import { createClient } from "graphql-sse";
import { documents } from "./hub.js";

export const refusedAs = { asking: 401, watching: 401 };

export function open({ url, token }) {
  const client = createClient({
    url: `${url}/graphql`,
    headers: { Authorization: `Bearer ${token}` },
    retryAttempts: 0,
  });
  return {
    async ask(name, variables) {
      for await (const { data, errors } of client.iterate({ query: documents[name], variables })) {
        if (errors) throw errors;
        return data;
      }
    },
    async *watch(variables) {
      const query = documents.hubProgressSubscription;
      for await (const { data, errors } of client.iterate({ query, variables })) {
        if (errors) throw errors;
        yield data.importProgress;
      }
    },
    close: () => client.dispose(),
  };
}
