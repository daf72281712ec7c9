// The page at /docs: draws /openapi.json. No asset from outside.

#include "api/api.hpp"

namespace matrx::api {

std::string_view docs_html() {
  return R"~~~(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Matrx Sandbox API</title>
<style>
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; }
h1 { margin-bottom: 0; } header p { margin-top: .25rem; opacity: .8; }
details { border: 1px solid var(--line); border-radius: 8px; margin: .5rem 0; }
summary { padding: .6rem .8rem; cursor: pointer; display: flex; gap: .8rem; flex-wrap: wrap; }
summary:focus-visible { outline: 3px solid #2b7de9; }
.method { font: 700 .85rem/1.8 ui-monospace, monospace; width: 4.5rem; text-align: center;
  color: #fff; border-radius: 4px; background: #555; }
.get { background: #1c6b3f; } .post { background: #1d4f9c; } .delete { background: #9c1d2c; }
.path { font: 600 1rem/1.6 ui-monospace, monospace; }
.inside { padding: 0 1rem 1rem; }
table { border-collapse: collapse; width: 100%; } caption { text-align: left; font-weight: 600; }
th, td { text-align: left; vertical-align: top; border-bottom: 1px solid var(--line);
  padding: .3rem .6rem .3rem 0; }
code, pre { font-family: ui-monospace, monospace; font-size: .9rem; }
pre { background: var(--soft); padding: .6rem; overflow-x: auto; border-radius: 6px; }
</style>
</head>
<body>
<header><h1>Matrx Sandbox API</h1><p id="about">Loading…</p></header>
<main id="routes"></main>
<footer><p><a href="/openapi.json">openapi.json</a></p></footer>
<script>
"use strict";
const el = (tag, text, name) => {
  const e = document.createElement(tag);
  if (text !== undefined) e.textContent = text;
  if (name) e.className = name;
  return e;
};
const typeOf = s => s.enum ? s.enum.join(" | ") : s.type === "array"
  ? "list of " + typeOf(s.items || {}) : s.format || s.type || "any";
function rows(caption, entries) {
  const table = el("table");
  table.append(el("caption", caption));
  for (const [name, type, text] of entries) {
    const row = el("tr"), head = el("th");
    head.scope = "row";
    head.append(el("code", name));
    row.append(head, el("td", type), el("td", text));
    table.append(row);
  }
  return table;
}
function fields(schema) {
  const required = schema.required || [];
  return Object.entries(schema.properties || {}).map(([name, s]) => {
    const limits = ["minimum", "maximum", "minLength", "maxLength", "pattern", "default"]
      .filter(k => k in s).map(k => k + " " + s[k]).join(", ");
    const words = [required.includes(name) ? "Required." : "", s.description || "", limits];
    return [name, typeOf(s), words.filter(Boolean).join(" ")];
  });
}
const sampleOf = s => s.examples ? s.examples[0] : s.enum ? s.enum[0] : s.default !== undefined
  ? s.default : s.type === "integer" ? s.minimum || 0 : s.type === "object" ? {} : "…";
const firstOf = content => content ? Object.values(content)[0].schema : undefined;
function example(method, path, schema) {
  let line = "curl -X " + method.toUpperCase() + " " + location.origin + path;
  if (!schema) return line;
  if (!schema.properties) return line + " --data-binary @file";
  const body = {};
  for (const name of schema.required || []) body[name] = sampleOf(schema.properties[name]);
  return line + " \\\n  -H 'Content-Type: application/json' -d '" + JSON.stringify(body) + "'";
}
function draw(doc) {
  document.getElementById("about").textContent =
    doc.info.description + " Version " + doc.info.version + ".";
  for (const [path, item] of Object.entries(doc.paths)) {
    for (const [method, op] of Object.entries(item)) {
      const box = el("details"), head = el("summary"), inside = el("div", undefined, "inside");
      head.append(el("span", method.toUpperCase(), "method " + method), el("span", path, "path"),
        el("span", op.summary));
      const body = op.requestBody && firstOf(op.requestBody.content);
      if (op.parameters) inside.append(rows("Parameters", op.parameters.map(p =>
        [p.name, p.in + " " + typeOf(p.schema), p.description || ""])));
      if (body) inside.append(rows("Body", fields(body)));
      inside.append(rows("Answers", Object.entries(op.responses).map(([status, r]) =>
        [status, "", r.description])));
      const good = Object.values(op.responses)[0];
      if (good && good.content) {
        inside.append(rows("Answer body", fields(firstOf(good.content))));
      }
      inside.append(el("pre", example(method, path, body)));
      box.append(head, inside);
      document.getElementById("routes").append(box);
    }
  }
}
fetch("/openapi.json").then(r => r.json()).then(draw).catch(e => {
  document.getElementById("about").textContent = "The document could not be loaded: " + e;
});
</script>
</body>
</html>
)~~~";
}

}  // namespace matrx::api
