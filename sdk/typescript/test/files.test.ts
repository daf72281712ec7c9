import { afterEach, beforeEach, expect, test } from "vitest";
import { Matrx, type Files } from "../src/index.js";
import { begin, BOX, event, FakeServer } from "./fake-server.js";

const AT = `/sandboxes/${BOX}/files`;
let server: FakeServer;
let files: Files;
beforeEach(async () => {
  server = await new FakeServer().start();
  files = new Matrx({ url: server.url }).sandbox(BOX).files;
});
afterEach(() => server.stop());

test("bytes come as they are, whole and in part", async () => {
  server.on(`GET ${AT}`, ({ headers }, answer) => answer.end(headers.range ? "part" : Buffer.from([0, 255, 10])));
  expect([...(await files.read("a b/ü"))]).toEqual([0, 255, 10]);
  expect(server.last().query.get("path")).toBe("a b/ü");
  expect(await files.readText("x")).toBe("\0�\n");
  await files.read("x", { first: 5, last: 8, user: "root" });
  expect(server.last().headers.range).toBe("bytes=5-8");
  expect(server.last().query.get("user")).toBe("root");
});

test("content goes up as text, bytes or a stream", async () => {
  server.on(`PUT ${AT}`, ({ body }, answer) => answer.end(JSON.stringify({ size: body.length })));
  expect((await files.write("t", "text")).size).toBe(4);
  expect((await files.write("t", new Uint8Array([65, 66]))).size).toBe(2);
  const stream = new Blob(["one", "two"]).stream() as unknown as ReadableStream<Uint8Array>;
  expect((await files.write("t", stream)).size).toBe(6);
  expect(server.last().body).toBe("onetwo");
});

test("the other routes take what they are called with", async () => {
  server.on(`GET ${AT}/list`, { entries: [{ name: "a" }] });
  expect((await files.list("p", { depth: 2 }))[0]?.name).toBe("a");
  expect(server.last().query.toString()).toBe("path=p&depth=2");
  expect(await files.exists("p")).toBe(false);
  server.on(`GET ${AT}/stat`, { name: "a" });
  expect(await files.exists("p")).toBe(true);
  for (const route of ["mkdir", "move", "copy"]) server.on(`POST ${AT}/${route}`, {});
  await files.makeFolder("p");
  await files.move("a", "b");
  expect(JSON.parse(server.last().body)).toEqual({ from: "a", to: "b" });
  await files.copy("a", "b", { user: "root" });
  expect(JSON.parse(server.last().body)).toEqual({ from: "a", to: "b", user: "root" });
  server.on(`DELETE ${AT}`, (_, answer) => answer.writeHead(204).end());
  await files.remove("p", { recursive: true });
  expect(server.last().query.get("recursive")).toBe("true");
  server.on(`PUT ${AT}/archive`, { entries: 1, bytes: 2 });
  expect(await files.unpack("p", "tar", { gzip: true })).toEqual({ entries: 1, bytes: 2 });
  expect(server.last().headers["content-encoding"]).toBe("gzip");
});

test("watching tells changes, and ends the request when nobody reads any more", async () => {
  let gone = false;
  server.on(`GET ${AT}/watch`, (_, answer) => {
    answer.on("close", () => (gone = true));
    begin(answer, event("start", {}), event("change", { type: "create", name: "a" }), event("overflow", {}));
  });
  const seen = [];
  for await (const change of files.watch("p", { recursive: true })) {
    seen.push(change.type);
    if (change.type === "overflow") break;
  }
  expect(seen).toEqual(["create", "overflow"]);
  await expect.poll(() => gone).toBe(true);
});
