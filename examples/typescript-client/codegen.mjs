// Makes src/__generated__/operations.ts of the server's schema and of what this client asks: npm run generate.
//
// GraphQL Code Generator's core and two plugins. Its command line would do the same with a codegen.ts, and brings two
// hundred packages more.

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { codegen } from "@graphql-codegen/core";
import * as documents from "@graphql-codegen/typed-document-node";
import * as operations from "@graphql-codegen/typescript-operations";
import { parse } from "graphql";

const filename = "src/__generated__/operations.ts";
const asked = "src/operations.graphql";

const made = await codegen({
  filename,
  schema: await parsed("../../schema/schema.graphql"),
  documents: [{ location: asked, document: await parsed(asked) }],
  config: {
    // documents are sent as text; none is put together when the program runs
    documentMode: "string",
    scalars: { DateTime: "string", ID: "string", JSON: "unknown", Long: "number" },
    strictScalars: true,
    useTypeImports: true,
  },
  plugins: [{ operations: {} }, { documents: {} }],
  pluginMap: { operations, documents },
});
await mkdir("src/__generated__", { recursive: true });
await writeFile(filename, made);

async function parsed(path) {
  return parse(await readFile(path, "utf-8"));
}
