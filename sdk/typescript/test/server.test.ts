import { afterEach, beforeEach, expect, test } from "vitest";
import { forward } from "../src/server.js";
import { begin, BOX, event, FakeServer, info } from "./fake-server.js";

const OTHER = "sbx-ba9876543210";
let server: FakeServer;
let handle: (request: Request) => Promise<Response>;
beforeEach(async () => {
  server = await new FakeServer().start();
  server.on(`GET /sandboxes/${BOX}`, info()).on(`GET /sandboxes/${OTHER}`, info({ sandbox_id: OTHER, user_id: "eve" }));
  const userOf = (request: Request) => request.headers.get("X-Test-User") ?? undefined;
  handle = forward({ url: server.url, apiKey: "key-1", prefix: "/api/matrx", userOf });
});
afterEach(() => server.stop());

const send = (method: string, path: string, headers: Record<string, string> = {}, body?: string) =>
  handle(
    new Request(`http://app.example/api/matrx${path}`, {
      method,
      headers: { "X-Test-User": "ada", ...headers },
      ...(body !== undefined && { body }),
    }),
  );

test("who is not signed in gets nowhere; a page of another origin neither", async () => {
  expect((await handle(new Request("http://app.example/api/matrx/sandboxes"))).status).toBe(401);
  expect((await send("GET", "/sandboxes", { Origin: "http://evil.example" })).status).toBe(403);
  expect((await send("POST", "/sandboxes", { "Sec-Fetch-Site": "cross-site" }, "{}")).status).toBe(403);
  expect(server.asked).toEqual([]);
});

test("a create is for who asks, and asks only for what is allowed", async () => {
  server.on("POST /sandboxes", (_, answer) => answer.writeHead(201).end(JSON.stringify(info())));
  const asked = JSON.stringify({ user_id: "eve", name: "n", resources: { cpu: 64 }, env: { A: "b" } });
  const answer = await send("POST", "/sandboxes", { Origin: "http://app.example", "Idempotency-Key": "k" }, asked);
  expect(answer.status).toBe(201);
  expect(JSON.parse(server.last().body)).toEqual({ name: "n", user_id: "ada" });
  expect(server.last().headers).toMatchObject({ "x-api-key": "key-1", "idempotency-key": "ada:k" });
});

test("a list is of who asks, whatever the page says", async () => {
  server.on("GET /sandboxes", { sandboxes: [], total: 0 });
  expect((await send("GET", "/sandboxes?user_id=eve&limit=5")).status).toBe(200);
  expect(server.last().query.toString()).toBe("user_id=ada&limit=5");
});

test("somebody else's sandbox does not exist, nor does what is not to be forwarded", async () => {
  server.on(`POST /sandboxes/${BOX}/exec`, { exit_code: 0 });
  expect((await send("POST", `/sandboxes/${BOX}/exec`, {}, '{"command":"x"}')).status).toBe(200);
  expect(server.last().body).toBe('{"command":"x"}');
  const before = server.asked.length;
  expect((await send("GET", `/sandboxes/${OTHER}`)).status).toBe(404);
  for (const path of [
    `/sandboxes/${BOX}/proxy/8080/`,
    "/users/eve/storage",
    "/metrics",
    "/links/5ec/",
    `/sandboxes/${BOX}/../${OTHER}/exec`,
    `/sandboxes/${BOX}%2f..%2f${OTHER}`,
  ]) {
    expect((await send("GET", path)).status, path).toBe(404);
  }
  expect(server.asked.slice(before).every(({ path }) => path === `/sandboxes/${OTHER}`)).toBe(true);
});

test("a file out of a sandbox is no page of the application", async () => {
  server.on(`GET /sandboxes/${BOX}/files`, (_, answer) => {
    answer.writeHead(200, { "Content-Type": "text/html", "Set-Cookie": "a=b" }).end("<script>1</script>");
  });
  const answer = await send("GET", `/sandboxes/${BOX}/files?path=x`);
  expect(answer.headers.get("Content-Security-Policy")).toContain("sandbox");
  expect(answer.headers.get("X-Content-Type-Options")).toBe("nosniff");
  expect(answer.headers.has("Set-Cookie")).toBe(false);
});

test("events of others are left out, their ids are not", async () => {
  const of = (sandbox_id: string) => ({ sandbox_id, status: "ready" });
  server.on("GET /events", ({ headers }, answer) => {
    expect(headers["last-event-id"]).toBe("4");
    begin(answer, event("sandbox", of(BOX), 5), event("sandbox", of(OTHER), 6), event("reset", {}));
    answer.end();
  });
  const text = await (await send("GET", "/events", { "Last-Event-ID": "4" })).text();
  expect(text).toBe(event("sandbox", of(BOX), 5) + "id: 6\n\n" + event("reset", {}));
});

test("an orchestrator that is away is a 502 in its own shape", async () => {
  server.stop();
  const answer = await send("GET", "/sandboxes");
  expect(answer.status).toBe(502);
  expect(((await answer.json()) as { code: string }).code).toBe("unavailable");
});
