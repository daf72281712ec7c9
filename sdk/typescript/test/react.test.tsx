import { afterEach, beforeEach, expect, test } from "vitest";
import { Window } from "happy-dom";
import type { ServerResponse } from "node:http";
import { createRoot, type Root } from "react-dom/client";
import { Matrx } from "../src/index.js";
import { useExec, useSandbox, useSandboxes } from "../src/react.js";
import { begin, BOX, event, FakeServer, info, until } from "./fake-server.js";

// Only the document: fetch and streams stay those of Node.js.
const window = new Window();
Object.assign(globalThis, { window, document: window.document });

let server: FakeServer;
let client: Matrx;
let root: Root;
let feed: ServerResponse | undefined;
let host: HTMLElement;
const act = async (step: () => unknown) => void (await step());

beforeEach(async () => {
  server = await new FakeServer().start();
  server.on("GET /events", (_, answer) => begin((feed = answer), "id: 1\n\n"));
  client = new Matrx({ url: server.url });
  host = document.createElement("div");
  root = createRoot(host);
});
afterEach(async () => {
  await act(() => root.unmount());
  server.stop();
});

const shows = (pattern: RegExp) =>
  until(async () => {
    await act(() => new Promise((done) => setTimeout(done, 10)));
    return pattern.test(host.textContent ?? "");
  }, `${pattern} in ${host.textContent}`);
const tell = () => feed?.write(event("sandbox", { sandbox_id: BOX, status: "x" }, 2));

test("useSandboxes shows the list, and what changes in it", async () => {
  let status = "starting";
  server.on("GET /sandboxes", (_, answer) => answer.end(JSON.stringify({ sandboxes: [info({ status })], total: 1 })));
  const List = () => {
    const { sandboxes, loading, live } = useSandboxes(client, { user_id: "ada" });
    return <p>{loading ? "loading" : `${sandboxes.map((each) => each.status).join()} ${live}`}</p>;
  };
  await act(() => root.render(<List />));
  await shows(/starting live/);
  status = "ready";
  tell();
  await shows(/ready live/);
  expect(server.asked.find(({ path }) => path === "/sandboxes")?.query.get("user_id")).toBe("ada");
  expect(server.asked.filter(({ path }) => path === "/events").length).toBe(1);
});

test("a lost connection is told, and all is read again after it", async () => {
  let name = "before";
  server.on("GET /sandboxes", (_, answer) => answer.end(JSON.stringify({ sandboxes: [info({ name })], total: 1 })));
  const List = () => {
    const { sandboxes, live } = useSandboxes(client);
    return <p>{`${sandboxes[0]?.name} ${live}`}</p>;
  };
  await act(() => root.render(<List />));
  await shows(/before live/);
  name = "after";
  feed?.destroy();
  await shows(/after live/);
});

test("useSandbox acts and shows the outcome; an unknown one is an error", async () => {
  let ttl = 60;
  server.on(`GET /sandboxes/${BOX}`, (_, answer) => answer.end(JSON.stringify(info({ ttl_seconds: ttl }))));
  server.on(`POST /sandboxes/${BOX}/extend`, (_, answer) => {
    ttl = 3600;
    answer.end(JSON.stringify(info({ ttl_seconds: ttl })));
  });
  let extend: (seconds: number) => Promise<void> = () => Promise.resolve();
  const One = ({ id }: { id: string }) => {
    const box = useSandbox(client, id);
    extend = box.extend;
    return <p>{box.error ? box.error.code : String(box.sandbox?.ttl_seconds)}</p>;
  };
  await act(() => root.render(<One id={BOX} />));
  await shows(/60/);
  await act(() => extend(3600));
  await shows(/3600/);
  await act(() => root.render(<One id="sbx-none" />));
  await shows(/not_found/);
});

test("useExec shows output as it comes, then the code; stop kills it", async () => {
  let stream: ServerResponse | undefined;
  server.on(`POST /sandboxes/${BOX}/exec/stream`, (_, answer) => {
    begin((stream = answer), event("start", { process_id: "prc-1", pid: 1 }));
    answer.write(event("stdout", { data: "one", offset: 0 }, 3));
  });
  server.on(`DELETE /sandboxes/${BOX}/processes/prc-1`, (_, answer) => {
    answer.writeHead(204).end();
    stream?.end(event("exit", { exit_code: 137, duration_ms: 1, timed_out: false }, 3));
  });
  let exec: ReturnType<typeof useExec> | undefined;
  const Run = () => {
    exec = useExec(client, BOX);
    return <p>{`${exec.output} ${exec.running ? "running" : exec.exitCode}`}</p>;
  };
  await act(() => root.render(<Run />));
  await until(() => exec !== undefined);
  void exec?.run("x");
  await shows(/one running/);
  exec?.stop();
  await shows(/one 137/);
});
