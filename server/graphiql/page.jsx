// The page: who asks, and below it GraphiQL.

import "./workers.js";
import "graphiql/style.css";
import "./page.css";
import { HISTORY_PLUGIN } from "@graphiql/plugin-history";
import { GraphiQL } from "graphiql";
import { useMemo, useState } from "react";
import { createRoot } from "react-dom/client";
import { fetcherFor } from "./asking.js";
import { EXAMPLES, examples } from "./examples.jsx";

const PLUGINS = [examples, HISTORY_PLUGIN];
const NOBODY = { token: "", tenant: "" };

createRoot(document.getElementById("page")).render(<Page />);

function Page() {
  const [caller, setCaller] = useState(NOBODY);
  const fetcher = useMemo(() => fetcherFor(caller), [caller]);
  return (
    <>
      <Caller onSaid={setCaller} />
      <GraphiQL
        fetcher={fetcher}
        // nobody but a known caller is told the schema
        schema={caller.token ? undefined : null}
        inputValueDeprecation
        schemaDescription
        plugins={PLUGINS}
        visiblePlugin={examples}
        defaultQuery={EXAMPLES[0].query}
      />
    </>
  );
}

function Caller({ onSaid }) {
  const say = (event) => {
    event.preventDefault();
    const said = new FormData(event.currentTarget);
    onSaid({ token: said.get("token").trim(), tenant: said.get("tenant").trim() });
  };
  return (
    <form className="caller" onSubmit={say}>
      <label>
        Token <input name="token" type="password" autoComplete="off" />
      </label>
      <label>
        X-Tenant-Id <input name="tenant" autoComplete="off" placeholder="where the token has several" />
      </label>
      <button type="submit">Use</button>
    </form>
  );
}
