// Exports an artifact with all it needs from one tenant, imports it into another, and shows how far that is.
//
//   npm start -- SOURCE_TENANT ARTIFACT VERSION TARGET_TENANT, with INSTALLHUB_URL and INSTALLHUB_TOKEN

import { ExportDocument, ImportDocument, ViewerDocument } from "./__generated__/operations.js";
import { Hub, Refused, made } from "./hub.js";

async function main(source: string, artifactId: string, version: string, target: string): Promise<void> {
  const hub = new Hub(process.env["INSTALLHUB_URL"] ?? "http://127.0.0.1:8080", process.env["INSTALLHUB_TOKEN"] ?? "");

  const { viewer } = await hub.ask(ViewerDocument, {});
  console.log(`Signed in as ${viewer.subject}`);

  const order = { tenantId: source, packageName: "Employee Onboarding", version, artifactIds: [artifactId] };
  const exporting = await hub.ask(ExportDocument, { input: { ...order, packageType: "WORKFLOW_PACKAGE" } });
  const bundle = made(exporting.exportPackage.exportedPackage, exporting.exportPackage.refusal);
  console.log(`Exported ${bundle.name} ${bundle.version}: ${bundle.artifactCount} artifacts`);

  const options = { defaultStrategy: "REPLACE" } as const;
  const request = { tenantId: target, source: { packageId: bundle.id }, options };
  const importing = await hub.ask(ImportDocument, { input: { request } });
  const { id } = made(importing.importPackage.importJob, importing.importPackage.refusal);

  for await (const event of hub.follow(id, (after) => console.log(`The connection broke off after ${after}`))) {
    console.log(`${event.firstSeq}-${event.seq} ${event.state} ${event.message}`);
    if (!event.isFinal) continue;
    const { outcome, failure } = event.importJob ?? {};
    if (failure) throw new Refused(failure.code, failure.message);
    const { created, updated, unchanged } = outcome ?? { created: 0, updated: 0, unchanged: 0 };
    console.log(`Done: ${created} created, ${updated} updated, ${unchanged} unchanged`);
  }
}

const [source, artifactId, version, target] = process.argv.slice(2);
if (source && artifactId && version && target) {
  await main(source, artifactId, version, target).catch((error: unknown) => {
    console.error(error instanceof Refused ? `${error.code}: ${error.message}` : error);
    process.exitCode = 1;
  });
} else {
  console.error("npm start -- SOURCE_TENANT ARTIFACT VERSION TARGET_TENANT");
  process.exitCode = 2;
}
