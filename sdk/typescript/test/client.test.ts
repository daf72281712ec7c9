import { afterEach, beforeEach, expect, test } from "vitest";
import { Matrx, MatrxError, serverEvents, type FeedEvent, type OutputEvent } from "../src/index.js";
import { begin, BOX, event, FakeServer, info } from "./fake-server.js";

let server: FakeServer;
let matrx: Matrx;
beforeEach(async () => {
  server = await new FakeServer().start();
  matrx = new Matrx({ url: server.url + "/", apiKey: "key-1" });
});
afterEach(() => server.stop());

const failure = (act: Promise<unknown>) =>
  act.then(
    () => expect.fail("it should fail"),
    (error: unknown) => error as MatrxError,
  );

test("a create sends what was asked for, with the key, and gives a sandbox to work with", async () => {
  server.on("POST /sandboxes", (_, answer) => answer.writeHead(201).end(JSON.stringify(info())));
  const box = await matrx.create({ user_id: "ada", labels: { a: "b" } }, { idempotencyKey: "k" });
  expect(box.id).toBe(BOX);
  expect(box.info?.status).toBe("ready");
  expect(JSON.parse(server.last().body)).toEqual({ user_id: "ada", labels: { a: "b" } });
  expect(server.last().headers).toMatchObject({ authorization: "Bearer key-1", "idempotency-key": "k" });
});

test("all pages are read", async () => {
  server.on("GET /sandboxes", ({ query }, answer) =>
    answer.end(
      JSON.stringify(
        query.get("cursor") ? { sandboxes: [info()], total: 2 } : { sandboxes: [info()], total: 2, next_cursor: "c" },
      ),
    ),
  );
  const all = [];
  for await (const each of matrx.all({ user_id: "ada" })) all.push(each);
  expect(all.length).toBe(2);
  expect(server.asked.map(({ query }) => [query.get("cursor"), query.get("user_id")])).toEqual([
    [null, "ada"],
    ["c", "ada"],
  ]);
});

test("an error has its code, its words and its request", async () => {
  const unknown = await failure(matrx.get("sbx-none"));
  expect(unknown).toBeInstanceOf(MatrxError);
  expect(unknown).toMatchObject({ code: "not_found", status: 404, requestId: "req-1", isTemporary: false });
  server.on("POST /sandboxes", (_, answer) =>
    answer
      .writeHead(422)
      .end(
        JSON.stringify({ code: "invalid", detail: [{ loc: ["body", "user_id"], msg: "is missing", type: "missing" }] }),
      ),
  );
  const wrong = await failure(matrx.create({ user_id: "" }));
  expect(wrong.message).toBe("user_id: is missing");
  expect(wrong.fields[0]?.type).toBe("missing");
  server.on("GET /health", (_, answer) => answer.writeHead(503, { "Retry-After": "7" }).end("<h1>gone for lunch</h1>"));
  expect(await failure(matrx.health())).toMatchObject({ code: "unavailable", retryAfterSeconds: 7, isTemporary: true });
  const nobody = new Matrx({ url: "http://127.0.0.1:1" });
  expect(await failure(nobody.health())).toMatchObject({ code: "unreachable", status: 0, isTemporary: true });
});

test("who gives up gets the reason of the abort, not an error of ours", async () => {
  const abort = new AbortController();
  server.on("GET /health", () => abort.abort());
  server.on(`GET /sandboxes/${BOX}`, () => abort.abort());
  expect((await failure(matrx.get(BOX, abort.signal))).name).toBe("AbortError");
});

test("waiting ends when it is usable, and fails when it has ended", async () => {
  let looks = 0;
  server.on(`GET /sandboxes/${BOX}`, (_, answer) => {
    looks += 1;
    if (looks === 1) answer.writeHead(503).end("{}");
    else answer.end(JSON.stringify(info({ status: looks < 3 ? "starting" : "ready" })));
  });
  expect((await matrx.sandbox(BOX).wait()).status).toBe("ready");
  server.on(`GET /sandboxes/${BOX}`, info({ status: "failed", status_detail: "no image" }));
  expect(await failure(matrx.sandbox(BOX).wait())).toMatchObject({ code: "gone", message: "no image" });
  expect((await matrx.sandbox(BOX).wait({ for: "ended" })).status).toBe("failed");
  server.on(`GET /sandboxes/${BOX}`, info({ status: "starting" }));
  expect(await failure(matrx.sandbox(BOX).wait({ timeoutMs: 1 }))).toMatchObject({ code: "timeout" });
});

test("extend, pause, resume, destroy, exec and links are the routes of that name", async () => {
  const at = `/sandboxes/${BOX}`;
  const box = matrx.sandbox(BOX);
  for (const route of ["extend", "pause", "resume"]) server.on(`POST ${at}/${route}`, info({ name: route }));
  expect((await box.extend(60)).name).toBe("extend");
  expect(JSON.parse(server.last().body)).toEqual({ ttl_seconds: 60 });
  expect((await box.pause()).name).toBe("pause");
  expect((await box.resume()).name).toBe("resume");
  server.on(`DELETE ${at}`, (_, answer) => answer.writeHead(204).end());
  await box.destroy({ graceful: false });
  expect(server.last().query.get("graceful")).toBe("false");
  server.on(`POST ${at}/exec`, { exit_code: 3, stdout: "out", stderr: "" });
  expect((await box.exec("ls")).exit_code).toBe(3);
  expect(JSON.parse(server.last().body)).toEqual({ command: "ls" });
  server.on(`POST ${at}/links`, { path: "/links/5ec/", port: 80, ttl_seconds: 60 });
  expect((await box.link(80)).url).toBe(`${server.url}/links/5ec/`);
  expect(box.proxyUrl(80, "/a?b")).toBe(`${server.url}${at}/proxy/80/a?b`);
});

test("a stream goes on where its connection broke, and loses and repeats nothing", async () => {
  const at = `/sandboxes/${BOX}`;
  server.on(`POST ${at}/exec/stream`, (_, answer) => {
    begin(answer, event("start", { process_id: "prc-1", pid: 7 }), ": still here\n\n");
    answer.write(event("stdout", { data: "one\n", offset: 0 }, 4), () => answer.destroy());
  });
  let tries = 0;
  server.on(`GET ${at}/processes/prc-1/output`, ({ query }, answer) => {
    tries += 1;
    if (tries === 1) return answer.writeHead(503).end("{}");
    expect(query.get("since")).toBe("4");
    begin(answer, event("stderr", { data: "two\n", offset: 4 }, 8));
    answer.end(event("exit", { exit_code: 5, duration_ms: 1, timed_out: false }, 8));
  });
  const events: OutputEvent[] = [];
  for await (const each of matrx.sandbox(BOX).stream("x")) events.push(each);
  expect(events.map((each) => ("data" in each ? each.data : each.type))).toEqual(["start", "one\n", "two\n", "exit"]);
});

test("a stream of what has ended fails at once", async () => {
  server.on(`POST /sandboxes/${BOX}/exec/stream`, (_, answer) => {
    begin(answer, event("start", { process_id: "prc-1", pid: 7 }));
    answer.end(event("error", { code: "gone", detail: "It has ended: expired." }));
  });
  const read = async () => {
    for await (const each of matrx.sandbox(BOX).stream("x")) expect(each.type).toBe("start");
  };
  expect(await failure(read())).toMatchObject({ code: "gone", message: "It has ended: expired." });
});

test("output can be read again from an offset", async () => {
  server.on(`GET /sandboxes/${BOX}/processes/prc-1/output`, ({ query }, answer) => {
    answer.setHeader("X-Matrx-Output-Begin", query.get("since") ?? "");
    answer.setHeader("X-Matrx-Output-End", "9");
    answer.end("tail");
  });
  const output = await matrx.sandbox(BOX).processes.output("prc-1", 5);
  expect([new TextDecoder().decode(output.bytes), output.begin, output.end]).toEqual(["tail", 5, 9]);
});

test("events come back with the last id, also where it came without an event", async () => {
  let connections = 0;
  const change = { event_id: 1, sandbox_id: BOX, at: "", type: "ready", status: "ready", actor: "x" };
  server.on("GET /events", ({ headers }, answer) => {
    connections += 1;
    if (connections === 1) {
      begin(answer, "retry: 1000\nid: c-1\n\n");
      answer.write(event("sandbox", change, "c-2"), () => answer.destroy());
    } else if (connections === 2) {
      expect(headers["last-event-id"]).toBe("c-2");
      begin(answer);
      answer.write("id: c-3\n\n", () => answer.destroy());
    } else {
      expect(headers["last-event-id"]).toBe("c-3");
      begin(answer, event("reset", {}), event("sandbox", change, "c-4"));
    }
  });
  const seen: FeedEvent["type"][] = [];
  for await (const each of matrx.events()) {
    seen.push(each.type);
    if (each.type === "sandbox" && each.id === "c-4") break;
  }
  expect(seen).toEqual(["open", "sandbox", "open", "open", "reset", "sandbox"]);
});

test("events that are refused say so; events that are given up end", async () => {
  server.on("GET /events", (_, answer) => answer.writeHead(403).end("{}"));
  const read = async (signal?: AbortSignal) => {
    for await (const each of matrx.events(signal ? { signal } : {})) expect(each.type).toBe("open");
  };
  expect(await failure(read())).toMatchObject({ code: "forbidden" });
  server.on("GET /events", (_, answer) => begin(answer, "id: 1\n\n"));
  await read(AbortSignal.timeout(50));
});

test("events in pieces, with carriage returns, several lines and comments", async () => {
  const pieces = [
    "event: a\r\nda",
    "ta: 1\r",
    "\ndata:2\r\nid: 7\r\n\r\n: no\n\ndata: ü\n",
    "\nevent: cut off\ndata: x",
  ];
  const bytes = pieces.map((each) => new TextEncoder().encode(each));
  const body = new ReadableStream<Uint8Array>({
    start(out) {
      bytes.forEach((each) => out.enqueue(each));
      out.close();
    },
  });
  const events = [];
  for await (const each of serverEvents(body)) events.push(each);
  expect(events).toEqual([
    { type: "a", data: "1\n2", id: "7" },
    { type: "message", data: "ü", id: "7" },
  ]);
});
