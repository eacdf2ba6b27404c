// urql without a socket: its fetch exchange takes subscriptions as server-sent events.

import { fetchExchange } from "@urql/core";
import { clientOf } from "./urql.mjs";

export const refusedAs = { asking: "UNAUTHENTICATED", watching: "UNAUTHENTICATED" };

export function open({ url, token }) {
  return clientOf({ url, token, exchanges: [fetchExchange], fetchSubscriptions: true });
}
