// Makes dist/: GraphiQL as files of our own, in a folder that is named by what they hold, and the page that names them.

import { createHash } from "node:crypto";
import { readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { build } from "esbuild";

const DIST = new URL("dist/", import.meta.url).pathname;
const MADE = join(DIST, "made");

await rm(DIST, { recursive: true, force: true });
await build({
  absWorkingDir: new URL(".", import.meta.url).pathname,
  entryPoints: {
    page: "page.jsx",
    "editor.worker": "monaco-editor/esm/vs/editor/editor.worker.js",
    "graphql.worker": "monaco-graphql/esm/graphql.worker.js",
    "json.worker": "monaco-editor/esm/vs/language/json/json.worker.js",
  },
  outdir: MADE,
  bundle: true,
  minify: true,
  format: "esm",
  splitting: true,
  target: "es2022",
  jsx: "automatic",
  loader: { ".graphql": "text", ".ttf": "file" },
  define: { "process.env.NODE_ENV": '"production"' },
  legalComments: "linked",
  logLevel: "warning",
});

const name = await hashOf(MADE);
await rename(MADE, join(DIST, name));
const page = await readFile(new URL("page.html", import.meta.url), "utf8");
await writeFile(join(DIST, "page.html"), page.replaceAll("{made}", name));

/** The same files have the same name, so a browser may keep them for ever. */
async function hashOf(folder) {
  const hash = createHash("sha256");
  for (const file of (await readdir(folder)).sort()) hash.update(file).update(await readFile(join(folder, file)));
  return hash.digest("hex").slice(0, 16);
}
