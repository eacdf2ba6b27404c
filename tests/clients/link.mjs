// The line between a client and the server: it can break at any moment, and be mended.

import { connect, createServer } from "node:net";

/** A loopback address that leads to `url`. When it breaks, connections are reset, new ones too until it is mended. */
export async function aLink(url) {
  const { hostname, port } = new URL(url);
  const open = new Set();
  let isBroken = false;
  const link = {
    url: undefined,
    /** How many connections there have been. */
    count: 0,
    break() {
      isBroken = true;
      for (const socket of open) socket.resetAndDestroy();
    },
    mend() {
      isBroken = false;
    },
    close() {
      link.break();
      listener.close();
    },
  };
  const listener = createServer((near) => {
    link.count += 1;
    near.on("error", () => {});
    if (isBroken) return near.resetAndDestroy();
    const far = connect(port, hostname);
    for (const [socket, other] of [[near, far], [far, near]]) {
      open.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        open.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  });
  await new Promise((ready) => listener.listen(0, "127.0.0.1", ready));
  link.url = `http://127.0.0.1:${listener.address().port}`;
  return link;
}
