// graphql-ws: queries, mutations and subscriptions over one socket.

import { createClient } from "graphql-ws";
import WebSocket from "ws";
import { documents } from "./hub.js";

// browsers bring their own, and so does Node.js from version 22 on
globalThis.WebSocket ??= WebSocket;

export const refusedAs = { asking: 4403, watching: 4403 };

export function open({ url, token }) {
  const client = socketOf({ url, token });
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

/** The client of a socket as all need it who follow an import; other libraries are handed this one. */
export function socketOf({ url, token }) {
  return createClient({
    url: `${url.replace("http", "ws")}/graphql`,
    connectionParams: { Authorization: `Bearer ${token}` },
    retryAttempts: 0,
  });
}
