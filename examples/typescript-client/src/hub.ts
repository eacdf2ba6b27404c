// A typed client of InstallHub: what is sent and what comes back is known from the document that is asked.

import { createClient } from "graphql-sse";
import {
  ProgressDocument,
  type ErrorCode,
  type ProgressSubscription,
  type TypedDocumentString,
} from "./__generated__/operations.js";

export type ProgressEvent = ProgressSubscription["importProgress"];

interface Answer<Result> {
  readonly data?: Result | null;
  readonly errors?: readonly { readonly message: string; readonly extensions?: Readonly<Record<string, unknown>> }[];
}

const FAILURES_MAX = 10;
const PAUSE_MAX = 5_000;

/** The server said no. Act on `code`, show the message; asking again changes nothing. */
export class Refused extends Error {
  constructor(
    readonly code: ErrorCode,
    message: string,
  ) {
    super(message);
    this.name = "Refused";
  }
}

export class Hub {
  readonly #address: string;
  readonly #headers: Record<string, string>;

  /** `url` is where the server is, such as "https://hub.example.com". */
  constructor(url: string, token: string) {
    this.#address = new URL("/graphql", url).href;
    this.#headers = { Authorization: `Bearer ${token}` };
  }

  /** The data of a query or a mutation. Throws `Refused`. */
  async ask<Result, Variables>(
    document: TypedDocumentString<Result, Variables>,
    variables: Variables,
  ): Promise<Result> {
    const response = await fetch(this.#address, {
      method: "POST",
      headers: { ...this.#headers, "Content-Type": "application/json", Accept: "application/json" },
      body: JSON.stringify({ query: document.toString(), variables }),
    });
    return dataOf((await response.json()) as Answer<Result>);
  }

  /**
   * Every event of an import, once and in order, to its end. Where the connection breaks off, the rest is asked for
   * with the last number as `after`; `onBroken` is told that number. Throws `Refused`, and what keeps breaking.
   */
  async *follow(id: string, onBroken: (after: number) => void = () => {}): AsyncGenerator<ProgressEvent, void> {
    let after = 0;
    for (let failures = 0; ; failures += 1) {
      try {
        for await (const event of this.#watch(id, after)) {
          yield event;
          if (event.isFinal) return;
          after = event.seq;
          failures = 0;
        }
      } catch (error) {
        if (error instanceof Refused || failures === FAILURES_MAX) throw error;
      }
      onBroken(after);
      await new Promise((over) => setTimeout(over, Math.min(50 * 2 ** failures, PAUSE_MAX)));
    }
  }

  /** One subscription, as far as its connection goes. */
  async *#watch(id: string, after: number): AsyncGenerator<ProgressEvent, void> {
    // by itself the library would ask again with the number of the first time
    const client = createClient({ url: this.#address, headers: this.#headers, retryAttempts: 0 });
    try {
      const request = { query: ProgressDocument.toString(), variables: { id, after } };
      for await (const answer of client.iterate<ProgressSubscription>(request)) {
        yield dataOf(answer as Answer<ProgressSubscription>).importProgress;
      }
    } catch (error) {
      const response = refusingResponse(error);
      if (response) dataOf((await response.json()) as Answer<never>);
      throw error;
    } finally {
      client.dispose();
    }
  }
}

/** What a mutation made. Throws `Refused` with the refusal that stands in its place. */
export function made<Made>(
  result: Made | null | undefined,
  refusal: { code: ErrorCode; message: string } | null | undefined,
): Made {
  if (refusal) throw new Refused(refusal.code, refusal.message);
  if (result === null || result === undefined) throw new Error("The server said neither what it made nor why not.");
  return result;
}

function dataOf<Result>({ data, errors }: Answer<Result>): Result {
  const [error] = errors ?? [];
  if (error) throw new Refused((error.extensions?.["code"] ?? "INTERNAL_ERROR") as ErrorCode, error.message);
  return made(data, null);
}

/** The answer of a server that refused to begin a stream. */
function refusingResponse(error: unknown): Response | undefined {
  const { response } = error as { response?: unknown };
  return response instanceof Response && response.status >= 400 && response.status < 500 ? response : undefined;
}
