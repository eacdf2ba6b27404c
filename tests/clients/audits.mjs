// The audits of graphql-http, a line of JSON for each: node audits.mjs, with HUB and TOKEN.

import { serverAudits } from "graphql-http";

const { HUB, TOKEN } = process.env;

// the audits know nothing of tokens, and every request needs one here
const fetchFn = (url, { headers, ...asked } = {}) =>
  fetch(url, { ...asked, headers: { ...headers, authorization: `Bearer ${TOKEN}` } });

for (const { id, name, fn } of serverAudits({ url: `${HUB}/graphql`, fetchFn })) {
  const { status, reason = null } = await fn();
  console.log(JSON.stringify({ id, name, status, reason }));
}
