// What the documents show compiles against what is built.
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { expect, test } from "vitest";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const DOCUMENTS = { integration: `${HERE}/../../../docs/integration.md`, readme: `${HERE}/../README.md` };

// What a reader has of his own, and what he installs himself.
const OWN = `
declare module "@supabase/supabase-js" {
  interface Chain { select(c: string): Chain; in(c: string, v: string[]): Chain;
    order(c: string, o: object): Promise<{ data: unknown }>; }
  interface Channel { on(e: string, o: object, act: (change: { new: object }) => void): Channel; subscribe(): void }
  export function createClient<D>(url: string, key: string):
    { from(table: keyof (D extends { public: { Tables: infer T } } ? T : never)): Chain; channel(n: string): Channel };
}`;
const GIVEN = `
declare const matrx: import("matrx-sandbox").Matrx;
declare const id: string;
declare const url: string;
declare const publishableKey: string;
declare function load(): Promise<string>;
declare function save(id: string): Promise<void>;
declare function readAllAgain(): Promise<void>;
declare function handleChange(id: string, s: string): Promise<void>;
declare function show(row: import("matrx-sandbox").Tables<"sandbox_instances">): void;
`;

// As a module of its own, with what it needs and does not declare.
function moduleOf(snippet: string): string {
  const declared = (word: string) => new RegExp(`(const|let|function) (\\{ )?${word}\\b`).test(snippet);
  const given = GIVEN.split("\n").filter((line) => !declared(/declare \w+ (\w+)/.exec(line)?.[1] ?? " "));
  return `${snippet.replace("../../../session", "./session")}\n${given.join("\n")}\nexport {};\n`;
}

// One program for all: the libraries are read once. In this folder, so that the package finds itself by its name.
function problems(snippets: Map<string, string>): string[] {
  const files = new Map([
    ...[...snippets].map(([name, text]) => [`${HERE}${name}.tsx`, moduleOf(text)] as const),
    [`${HERE}own.d.ts`, OWN],
    [`${HERE}session.ts`, "export declare function userOf(request: Request): string | undefined;"],
  ]);
  const options: ts.CompilerOptions = {
    ...{ target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, jsx: ts.JsxEmit.ReactJSX },
    ...{ moduleResolution: ts.ModuleResolutionKind.Bundler, strict: true, noEmit: true, skipLibCheck: true },
    lib: ["lib.es2022.d.ts", "lib.dom.d.ts", "lib.dom.iterable.d.ts"],
    types: ["node"],
  };
  const host = ts.createCompilerHost(options);
  const { readFile, fileExists, getSourceFile } = host;
  host.fileExists = (path) => files.has(path) || fileExists(path);
  host.readFile = (path) => files.get(path) ?? readFile(path);
  host.getSourceFile = (path, ...rest) => {
    const text = files.get(path);
    if (text === undefined) return getSourceFile.call(host, path, ...rest);
    return ts.createSourceFile(path, text, ts.ScriptTarget.ES2022);
  };
  const program = ts.createProgram([...files.keys()], options, host);
  const own = [...files.keys()].map((path) => program.getSourceFile(path));
  return own.flatMap((file) =>
    [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)].map(
      ({ messageText }) => `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`,
    ),
  );
}

const snippetsOf = ([document, path]: [string, string]) =>
  [...readFileSync(path, "utf8").matchAll(/```tsx?\n([^]*?)```/g)].map((match, index): [string, string] => [
    `${document}-${index}`,
    match[1] ?? "",
  ]);

test("every snippet of the documents compiles", { timeout: 300_000 }, () => {
  expect(existsSync(`${HERE}/../dist/index.d.ts`), "run tools/build-web.sh first").toBe(true);
  const snippets = new Map(Object.entries(DOCUMENTS).flatMap(snippetsOf));
  expect(snippets.size).toBeGreaterThan(6);
  snippets.set("wrong", 'await matrx.create({ user: "me" });'); // a mistake must be seen
  const found = problems(snippets);
  expect(found.filter((each) => !each.includes("/wrong.tsx"))).toEqual([]);
  expect(found.length).toBe(1);
});
