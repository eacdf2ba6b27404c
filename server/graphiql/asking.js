// How the page asks: requests over HTTP, subscriptions over a socket. What says who asks is kept nowhere else.

import { createGraphiQLFetcher } from "@graphiql/toolkit";
import { createClient } from "graphql-ws";

const URL_OF_SOCKET = `${globalThis.location.origin.replace("http", "ws")}/graphql`;

/** A new one for every caller, upon which GraphiQL reads the schema anew. */
export function fetcherFor({ token, tenant }) {
  const known = { Authorization: `Bearer ${token}` };
  // a page cannot add headers to the first request of a socket
  const headers = tenant ? { ...known, "X-Tenant-Id": tenant } : known;
  return createGraphiQLFetcher({
    url: "/graphql",
    fetch: (url, request) => fetch(url, { ...request, headers: { ...headers, ...request.headers } }),
    enableIncrementalDelivery: false,
    // begun anew, a subscription would tell its events once more
    wsClient: createClient({ url: URL_OF_SOCKET, connectionParams: known, retryAttempts: 0 }),
  });
}
