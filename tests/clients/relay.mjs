// Relay: what its compiler made of hub.js, over fetch and a socket.

import relay from "relay-runtime";
import { each } from "./following.mjs";
import { socketOf } from "./graphql-ws.mjs";

const { Environment, Network, Observable, RecordSource, Store } = relay;
const { commitMutation, fetchQuery, requestSubscription } = relay;

export const refusedAs = { asking: "UNAUTHENTICATED", watching: 4403 };

export function open({ url, token }) {
  const socket = socketOf({ url, token });
  const environment = new Environment({
    store: new Store(new RecordSource()),
    network: Network.create(
      ({ text }, variables) => fetched({ url, token }, text, variables),
      ({ text }, variables) => Observable.create((sink) => socket.subscribe({ query: text, variables }, sink)),
    ),
  });
  return {
    async ask(name, variables) {
      const request = await compiled(name);
      if (!name.endsWith("Mutation")) return fetchQuery(environment, request, variables).toPromise();
      return new Promise((onCompleted, onError) => {
        commitMutation(environment, { mutation: request, variables, onCompleted, onError });
      });
    },
    async *watch(variables) {
      const subscription = await compiled("hubProgressSubscription");
      const results = each((sink) => {
        const told = { onNext: sink.next, onError: sink.error, onCompleted: sink.complete };
        const { dispose } = requestSubscription(environment, { subscription, variables, ...told });
        return dispose;
      });
      for await (const { importProgress } of results) yield importProgress;
    },
    close: () => socket.dispose(),
  };
}

async function compiled(name) {
  return (await import(`./__generated__/${name}.graphql.js`)).default;
}

/** Relay leaves HTTP to its user. */
async function fetched({ url, token }, query, variables) {
  const headers = { "Content-Type": "application/json", Authorization: `Bearer ${token}` };
  const body = JSON.stringify({ query, variables });
  const response = await fetch(`${url}/graphql`, { method: "POST", headers, body });
  const answer = await response.json();
  if (answer.errors) throw Object.assign(new Error(answer.errors[0].message), { errors: answer.errors });
  return answer;
}
