// What each client library does with a real server, a line of JSON for each deed.
//
// node story.mjs CLIENT, with HUB, TOKEN, SOURCE, TARGET and EMPTY: the server, a token for all three tenants, one that
// has proc-1001, one that has an EmployeeForm of its own, and one that has nothing.

import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";
import { documents } from "./hub.js";
import { following, refusalIn } from "./following.mjs";
import { aLink } from "./link.mjs";

const [name] = process.argv.slice(2);
const { HUB, TOKEN, SOURCE, TARGET, EMPTY } = process.env;
const DEED_MAX = 40_000;
const { open, refusedAs } = await import(`./${name}.mjs`);

const link = await aLink(HUB);
const client = open({ url: link.url, token: TOKEN });
const order = {
  tenantId: SOURCE,
  packageName: `For ${TARGET}`,
  packageType: "WORKFLOW_PACKAGE",
  version: "1.0.0",
  artifactIds: ["proc-1001"],
};
let packageId;

await tell("asks a query", async () => {
  const { viewer } = await client.ask("hubViewerQuery", {});

  assert.equal(viewer.subject, "anna@acme.example");
});

await tell("sends a mutation", async () => {
  const { exportPackage } = await client.ask("hubExportMutation", { input: order });

  assert.equal(exportPackage.refusal, null);
  packageId = exportPackage.exportedPackage.id;
});

await tell("is shown a refusal as data", async () => {
  const input = { importId: "imp-unknown", decisions: [], restStrategy: "SKIP" };
  const { resolveConflicts } = await client.ask("hubDecideMutation", { input });

  assert.equal(resolveConflicts.importJob, null);
  assert.equal(resolveConflicts.refusal.code, "NOT_FOUND");
});

await tell("imports a file that was sent over REST, and watches", async () => {
  const id = await begun({ tenantId: EMPTY, source: { uploadId: await sent() }, options: {} });

  const events = await all(client.watch({ id, after: 0 }));

  assertWhole(events);
});

await tell("goes on after a broken connection, without a gap or a repeat", async () => {
  const id = await begun({ tenantId: TARGET, source: { packageId }, options: {} });
  const begins = [];
  const watch = (variables) => {
    begins.push(variables.after);
    return client.watch(variables);
  };
  const events = [];

  for await (const event of following(watch, id, refusalIn)) {
    events.push(event);
    if (event.state === "WAITING_FOR_DECISIONS" && begins.length === 1) {
      link.break();
      await decided(id);
      link.mend();
    }
  }

  assertWhole(events);
  const last = events.find(({ state }) => state === "WAITING_FOR_DECISIONS").seq;
  assert.deepEqual(new Set(begins), new Set([0, last]));
});

await tell("turns over pages", async () => {
  const first = await client.ask("hubImportsQuery", { tenants: [EMPTY, TARGET], first: 1 });
  const { endCursor } = first.importJobs.pageInfo;
  const second = await client.ask("hubImportsQuery", { tenants: [EMPTY, TARGET], first: 1, after: endCursor });

  const pages = [first, second].map(({ importJobs }) => importJobs);
  assert.equal(new Set(pages.map(({ edges }) => edges[0].node.id)).size, 2);
  assert.deepEqual(pages.map(({ pageInfo }) => pageInfo.hasNextPage), [true, false]);
});

await tell("is told that an import is unknown", async () => {
  const refusal = await refused(following(client.watch, "imp-unknown", refusalIn).next());

  assert.equal(refusal, "NOT_FOUND");
});

await tell("is told that its token is wrong, and does not try again", async () => {
  const stranger = open({ url: link.url, token: "no.such.token" });
  const before = link.count;

  const asking = await refused(stranger.ask("hubViewerQuery", {}));
  const watching = await refused(following(stranger.watch, "imp-unknown", refusalIn).next());
  stranger.close();

  assert.deepEqual({ asking, watching }, refusedAs);
  assert.ok(link.count - before <= 2, `${link.count - before} connections`);
});

client.close();
link.close();

/** Says how a deed went; what one failed at does not keep the next from being tried. */
async function tell(deed, act) {
  try {
    await Promise.race([act(), after(DEED_MAX)]);
    console.log(JSON.stringify({ deed, flaw: null }));
  } catch (error) {
    console.log(JSON.stringify({ deed, flaw: String(error?.stack ?? JSON.stringify(error)) }));
  }
}

async function all(events) {
  const found = [];
  for await (const event of events) found.push(event);
  return found;
}

async function after(milliseconds) {
  await setTimeout(milliseconds, undefined, { ref: false });
  throw new Error(`not done after ${milliseconds} ms`);
}

async function begun(request) {
  const { importPackage } = await client.ask("hubImportMutation", { input: { request } });
  assert.equal(importPackage.refusal, null);
  return importPackage.importJob.id;
}

/** The upload's id of the package's own ZIP. */
async function sent() {
  const headers = { Authorization: `Bearer ${TOKEN}` };
  const bundle = await fetch(`${HUB}/api/installhub/packages/${packageId}/download`, { headers });
  const about = { ...headers, "Content-Type": "application/zip", "X-Tenant-Id": EMPTY };
  const body = await bundle.arrayBuffer();
  const response = await fetch(`${HUB}/api/installhub/uploads`, { method: "POST", headers: about, body });
  return (await response.json()).uploadId;
}

/** Somebody decides, and is not on the line that broke. */
async function decided(importId) {
  const variables = { input: { importId, decisions: [], restStrategy: "REPLACE" } };
  const headers = { "Content-Type": "application/json", Authorization: `Bearer ${TOKEN}` };
  const body = JSON.stringify({ query: documents.hubDecideMutation, variables });
  const response = await fetch(`${HUB}/graphql`, { method: "POST", headers, body });
  assert.equal((await response.json()).data.resolveConflicts.refusal, null);
}

/** Every number is told once, in order, up to the end of an import that went well. */
function assertWhole(events) {
  assert.deepEqual(
    events.map(({ firstSeq }) => firstSeq),
    [1, ...events.slice(0, -1).map(({ seq }) => seq + 1)],
  );
  assert.deepEqual(events.map(({ isFinal }) => isFinal), [...Array(events.length - 1).fill(false), true]);
  assert.equal(events.at(-1).state, "SUCCEEDED");
}

async function refused(asked) {
  try {
    return `an answer: ${JSON.stringify(await asked)}`;
  } catch (error) {
    return refusalIn(error) ?? String(error?.stack ?? error);
  }
}
