// How a web page talks to InstallHub, whatever origin the page comes from. No library: what a browser brings is enough.
//
// The server must know the page's origin (INSTALLHUB_ALLOWED_ORIGINS). There are no cookies: every request shows the
// user's token, but for downloads, whose addresses are signed.

export class InstallHub {
  #token;

  /** `url` is where the server is, such as "https://hub.example.com". */
  constructor(url, token) {
    this.url = url;
    this.#token = token;
  }

  /** The data of a GraphQL query or mutation. */
  async ask(query, variables = {}) {
    const response = await this.#post("/graphql", JSON.stringify({ query, variables }), {
      "Content-Type": "application/json",
      Accept: "application/json",
    });
    return dataOf(await response.json());
  }

  /** Makes a package of artifacts and all they depend on. With the same key it is made once, however often you ask. */
  async exportPackage(order, key = crypto.randomUUID()) {
    const headers = { "Content-Type": "application/json", "Idempotency-Key": key };
    return answerOf(await this.#post("/api/installhub/packages/export", JSON.stringify(order), headers));
  }

  /** Sends a ZIP (a File or another Blob) ahead of its import. The answer's `uploadId` is the import's source. */
  async upload(zip, tenantId) {
    const headers = { "Content-Type": "application/zip", "X-Tenant-Id": tenantId };
    return answerOf(await this.#post("/api/installhub/uploads", zip, headers));
  }

  /** Fetches what a signed address gives. It needs no token, and is good for five minutes. */
  async download(downloadUrl) {
    const response = await fetch(new URL(downloadUrl, this.url));
    if (!response.ok) await answerOf(response);
    const [, name] = response.headers.get("Content-Disposition").match(/filename="(.+?)"/);
    return new File([await response.blob()], name, { type: "application/zip" });
  }

  /** Lets the browser save what a signed address gives, of any size. The page stays as it is. */
  save(downloadUrl) {
    const link = document.createElement("a");
    link.href = new URL(downloadUrl, this.url);
    link.click();
  }

  /** What a subscription tells, over server-sent events: `for await (const data of hub.overEvents(…))`. */
  async *overEvents(query, variables = {}, signal = undefined) {
    const headers = { "Content-Type": "application/json", Accept: "text/event-stream" };
    const response = await this.#post("/graphql", JSON.stringify({ query, variables }), headers, signal);
    if (!response.ok) dataOf(await response.json());
    let rest = "";
    for await (const text of each(response.body.pipeThrough(new TextDecoderStream()))) {
      const blocks = (rest + text).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        const { event, data } = Object.fromEntries(block.split("\n").map((line) => line.split(/: ?(.*)/s)));
        if (event === "next") yield dataOf(JSON.parse(data));
        if (event === "complete") return;
      }
    }
    throw new Error("The stream broke off. Ask again with the last number you have seen as `after`.");
  }

  /** The same over a WebSocket (graphql-transport-ws). */
  async *overSocket(query, variables = {}) {
    const socket = new WebSocket(this.url.replace(/^http/, "ws") + "/graphql", "graphql-transport-ws");
    const say = (message) => socket.send(JSON.stringify(message));
    socket.onopen = () => say({ type: "connection_init", payload: { Authorization: `Bearer ${this.#token}` } });
    try {
      for await (const { type, payload } of each(messagesOf(socket))) {
        if (type === "connection_ack") say({ id: "1", type: "subscribe", payload: { query, variables } });
        if (type === "ping") say({ type: "pong" });
        if (type === "next") yield dataOf(payload);
        if (type === "error") dataOf({ errors: payload });
        if (type === "complete") return;
      }
    } finally {
      socket.close();
    }
  }

  #post(path, body, headers, signal) {
    const authorization = { Authorization: `Bearer ${this.#token}` };
    return fetch(this.url + path, { method: "POST", headers: { ...headers, ...authorization }, body, signal });
  }
}

/** A request that was answered, and refused. Act on `code`, show the message. */
export class Refused extends Error {
  constructor(code, message) {
    super(message);
    this.name = "Refused";
    this.code = code;
  }
}

function dataOf({ data, errors }) {
  if (errors) throw new Refused(errors[0].extensions?.code, errors[0].message);
  return data;
}

async function answerOf(response) {
  const body = await response.json();
  if (!response.ok) throw new Refused(body.error, body.message);
  return body;
}

function messagesOf(socket) {
  return new ReadableStream({
    start(messages) {
      socket.onmessage = ({ data }) => messages.enqueue(JSON.parse(data));
      socket.onclose = ({ code }) => messages.error(new Error(`The socket was closed with ${code}.`));
    },
  });
}

async function* each(stream) {
  const reader = stream.getReader();
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) yield part.value;
  } finally {
    await reader.cancel().catch(() => {});
  }
}
