// Apollo Client without a socket: its HTTP link takes subscriptions as multipart answers.

import { clientOf, httpOf } from "./apollo.mjs";

export const refusedAs = { asking: "UNAUTHENTICATED", watching: "UNAUTHENTICATED" };

export function open({ url, token }) {
  return clientOf(httpOf({ url, token }));
}
