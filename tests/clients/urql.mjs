// urql: HTTP for queries and mutations; subscriptions over a socket.

import { Client, fetchExchange, subscriptionExchange } from "@urql/core";
import { onEnd, pipe, subscribe } from "wonka";
import { documents } from "./hub.js";
import { each } from "./following.mjs";
import { socketOf } from "./graphql-ws.mjs";

export const refusedAs = { asking: "UNAUTHENTICATED", watching: 4403 };

export function open({ url, token }) {
  const socket = socketOf({ url, token });
  const forwardSubscription = ({ query, variables }) => ({
    subscribe: (sink) => ({ unsubscribe: socket.subscribe({ query, variables }, sink) }),
  });
  const client = clientOf({ url, token, exchanges: [fetchExchange, subscriptionExchange({ forwardSubscription })] });
  return { ...client, close: () => socket.dispose() };
}

export function clientOf({ url, token, ...options }) {
  const client = new Client({
    url: `${url}/graphql`,
    requestPolicy: "network-only",
    fetchOptions: { headers: { Authorization: `Bearer ${token}` } },
    ...options,
  });
  return {
    async ask(name, variables) {
      const isMutation = name.endsWith("Mutation");
      const asked = isMutation ? client.mutation(documents[name], variables) : client.query(documents[name], variables);
      const { data, error } = await asked.toPromise();
      if (error) throw error;
      return data;
    },
    async *watch(variables) {
      const watched = client.subscription(documents.hubProgressSubscription, variables);
      const results = each((sink) => pipe(watched, onEnd(sink.complete), subscribe(sink.next)).unsubscribe);
      for await (const { data, error, hasNext } of results) {
        if (error) throw error;
        // at the end the last result is told once more
        if (hasNext) yield data.importProgress;
      }
    },
    close: () => {},
  };
}
