// How an import is followed to its end, whatever happens to the connection: ask again with the last number as `after`.
// What a client library repeats by itself after a broken connection has the number of the first time, so that is
// switched off.

const FAILURES_MAX = 10;
const PAUSE_MAX = 5_000;

/**
 * Every event of an import, once and in order. `watch` begins a subscription and gives its events; `isRefused` tells
 * from an error whether the server said no, which no repetition mends.
 */
export async function* following(watch, id, isRefused, after = 0) {
  for (let failures = 0; ; failures += 1) {
    try {
      for await (const event of watch({ id, after })) {
        yield event;
        if (event.isFinal) return;
        after = event.seq;
        failures = 0;
      }
    } catch (error) {
      if (isRefused(error) || failures === FAILURES_MAX) throw error;
    }
    await new Promise((over) => setTimeout(over, Math.min(50 * 2 ** failures, PAUSE_MAX)));
  }
}

/** What a sink is told, as something to go through. `subscribe` takes a sink and gives a function that ends it all. */
export function each(subscribe) {
  let isOver = false;
  let stop;
  const once = (last) => (value) => {
    if (!isOver) last(value);
    isOver = true;
  };
  return new ReadableStream({
    start(told) {
      stop = subscribe({
        next: (value) => isOver || told.enqueue(value),
        error: once((error) => told.error(error)),
        complete: once(() => told.close()),
      });
    },
    cancel() {
      isOver = true;
      stop();
    },
  });
}

/** The first word of a refusal in an error, wherever a library keeps it: a GraphQL code, a close code, a status. */
export function refusalIn(error) {
  if (typeof error !== "object" || error === null) return undefined;
  if (error.extensions?.code) return error.extensions.code;
  if (error.code >= 4400) return error.code;
  const inner = [error.errors, error.graphQLErrors, error.networkError, error.cause, error].flat();
  for (const one of inner) {
    const found = one === error ? undefined : refusalIn(one);
    if (found) return found;
  }
  return error.response?.status >= 400 ? error.response.status : undefined;
}
