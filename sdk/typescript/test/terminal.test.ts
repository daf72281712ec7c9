import { afterEach, beforeEach, expect, test } from "vitest";
import WebSocket from "ws";
import { Matrx, type SocketConstructor, type TerminalOptions, type TerminalState } from "../src/index.js";
import { BOX, FakeServer, until } from "./fake-server.js";

let server: FakeServer;
beforeEach(async () => {
  server = await new FakeServer().start();
});
afterEach(() => server.stop());

function open(options: TerminalOptions = {}) {
  const states: TerminalState[] = [];
  let text = "";
  const client = new Matrx({ url: server.url, apiKey: "key-1", WebSocket: WebSocket as unknown as SocketConstructor });
  const terminal = client.sandbox(BOX).terminal({
    ...options,
    onData: (bytes) => (text += new TextDecoder().decode(bytes)),
    onState: (state) => states.push(state),
  });
  return { terminal, states, text: () => text };
}
const ready = (fields: object) => JSON.stringify({ type: "ready", terminal_id: "prc-9", pid: 1, offset: 0, ...fields });

test("what is typed before the connection stands arrives, after the size; the key is in the header", async () => {
  const got: string[] = [];
  server.onSocket = (socket) => {
    socket.on("message", (data) => got.push(String(data)));
    socket.send(ready({ writer: true }));
    socket.send(Buffer.from("hello"));
  };
  const { terminal, text } = open({ cols: 100, rows: 30, cwd: "/tmp" });
  terminal.write("ls\n");
  await until(() => got.length === 2 && text() === "hello");
  expect(got).toEqual(['{"type":"resize","cols":100,"rows":30}', "ls\n"]);
  expect(server.sockets[0]?.headers.authorization).toBe("Bearer key-1");
  expect(server.sockets[0]?.url.search).toBe("?cols=100&rows=30&cwd=%2Ftmp");
  terminal.close();
  expect(terminal.state.at).toBe("ended");
});

test("a broken connection comes back at its offset", async () => {
  server.on(`GET /sandboxes/${BOX}/processes/prc-9`, {});
  server.onSocket = (socket, url, count) => {
    socket.send(ready({ writer: true, offset: Number(url.searchParams.get("since") ?? 0) }));
    if (count === 1) socket.send(Buffer.from("abc"), () => setTimeout(() => socket.terminate(), 20));
    else {
      socket.send(JSON.stringify({ type: "gap", from: 3, to: 5 }));
      socket.send(Buffer.from("fg"));
      socket.send(JSON.stringify({ type: "exit", exit_code: 4 }));
    }
  };
  const { terminal, states, text } = open();
  expect(await terminal.ended()).toEqual({ at: "ended", exitCode: 4 });
  expect(text()).toBe("abcfg");
  expect(terminal.offset).toBe(7);
  expect(server.sockets[1]?.url.searchParams.get("terminal")).toBe("prc-9");
  expect(server.sockets[1]?.url.searchParams.get("since")).toBe("3");
  expect(states.map(({ at }) => at)).toEqual(["open", "waiting", "connecting", "open", "ended"]);
});

test("who looks on types nothing until he has taken over", async () => {
  const got: string[] = [];
  server.onSocket = (socket) => {
    socket.on("message", (data) => {
      got.push(String(data));
      if (String(data).includes("takeover")) socket.send(JSON.stringify({ type: "writer", writer: true }));
    });
    socket.send(ready({ writer: false }));
  };
  const { terminal } = open({ terminalId: "prc-9", since: 12 });
  await until(() => terminal.state.at === "open");
  terminal.write("no");
  terminal.takeOver();
  await until(() => terminal.state.at === "open" && terminal.state.writer);
  terminal.write("yes");
  await until(() => got.includes("yes"));
  expect(got[0]).toBe('{"type":"takeover"}');
  expect(got).not.toContain("no");
  expect(server.sockets[0]?.url.searchParams.get("since")).toBe("12");
  terminal.close();
});

test("one that is gone is not tried for ever", async () => {
  server.on(`GET /sandboxes/${BOX}/ports`, (_, answer) =>
    answer.writeHead(410).end(JSON.stringify({ code: "gone", detail: "It has expired." })),
  );
  server.onSocket = (socket) => socket.terminate();
  expect(await open().terminal.ended()).toMatchObject({ why: "It has expired." });
});
