// The examples of examples.graphql, as a list beside the editor; one that is chosen opens in a tab of its own.

import { pick, useGraphiQL, useGraphiQLActions } from "@graphiql/react";
import { parse } from "graphql";
import text from "./examples.graphql";
import variables from "./examples.json";

/** Each operation with the comment above it. */
export const EXAMPLES = parse(text).definitions.map(({ loc, name }) => {
  const comments = [];
  for (let token = loc.startToken.prev; token.kind === "Comment"; token = token.prev) comments.unshift(token.value.trim());
  const asked = variables[name.value];
  return {
    name: name.value,
    about: comments.join(" "),
    query: `${comments.map((line) => `# ${line}\n`).join("")}${text.slice(loc.start, loc.end)}\n`,
    variables: asked ? JSON.stringify(asked, null, 2) : "",
  };
});

export const examples = { title: "Examples", icon: Icon, content: Examples };

function Icon() {
  return (
    <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.5">
      <path d="M5 4h14v16H5zM9 8h6M9 12h6M9 16h4" />
    </svg>
  );
}

function Examples() {
  const { addTab } = useGraphiQLActions();
  const { queryEditor, variableEditor } = useGraphiQL(pick("queryEditor", "variableEditor"));
  // the page is there before its editors are
  const isReady = queryEditor && variableEditor;
  const open = (one) => {
    addTab();
    queryEditor.setValue(one.query);
    variableEditor.setValue(one.variables);
  };
  return (
    <section aria-label="Examples">
      <h2>Examples</h2>
      <p>A story in the tenants of the README; what stands in &lt; &gt; is an id that was answered before.</p>
      <ul className="examples">
        {EXAMPLES.map((one) => (
          <li key={one.name}>
            <button type="button" disabled={!isReady} onClick={() => open(one)}>
              {one.name}
              <small>{one.about}</small>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
