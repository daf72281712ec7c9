// An orchestrator as far as these tests need one: answers by a table, remembers what it was asked, and cuts lines.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { WebSocketServer, type WebSocket } from "ws";

export interface Asked {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: IncomingMessage["headers"];
  body: string;
}
export type Handler = (asked: Asked, answer: ServerResponse) => unknown;

export const BOX = "sbx-0123456789ab";
export const info = (fields: object = {}) => ({
  sandbox_id: BOX,
  user_id: "ada",
  status: "ready",
  created_at: "2026-01-01T00:00:00.000Z",
  ...fields,
});

export class FakeServer {
  readonly asked: Asked[] = [];
  readonly sockets: { socket: WebSocket; url: URL; headers: IncomingMessage["headers"] }[] = [];
  onSocket: (socket: WebSocket, url: URL, count: number) => void = () => undefined;
  url = "";
  private readonly handlers = new Map<string, Handler>();
  private server!: Server;

  on(route: string, handler: Handler | object | string) {
    const asHandler: Handler =
      typeof handler === "function"
        ? (handler as Handler)
        : (_, answer) => {
            answer.setHeader("Content-Type", typeof handler === "string" ? "text/plain" : "application/json");
            answer.end(typeof handler === "string" ? handler : JSON.stringify(handler));
          };
    this.handlers.set(route, asHandler);
    return this;
  }

  async start() {
    this.server = createServer(async (request, answer) => {
      const url = new URL(request.url ?? "/", "http://fake");
      const pieces: Buffer[] = [];
      for await (const piece of request) pieces.push(piece as Buffer);
      const { method = "GET", headers } = request;
      const body = Buffer.concat(pieces).toString();
      const asked = { method, path: url.pathname, query: url.searchParams, headers, body };
      this.asked.push(asked);
      const handler = this.handlers.get(`${method} ${url.pathname}`);
      if (handler) return handler(asked, answer);
      answer.writeHead(404, { "Content-Type": "application/json" });
      answer.end(JSON.stringify({ detail: `no ${method} ${url.pathname}`, code: "not_found", request_id: "req-1" }));
    });
    const sockets = new WebSocketServer({ server: this.server });
    sockets.on("connection", (socket, request) => {
      const url = new URL(request.url ?? "/", "http://fake");
      this.sockets.push({ socket, url, headers: request.headers });
      this.onSocket(socket, url, this.sockets.length);
    });
    await new Promise<void>((done) => this.server.listen(0, "127.0.0.1", done));
    this.url = `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
    return this;
  }

  last(): Asked {
    const asked = this.asked.at(-1);
    if (!asked) throw new Error("nothing was asked");
    return asked;
  }

  stop() {
    this.sockets.forEach(({ socket }) => socket.terminate());
    this.server.closeAllConnections();
    this.server.close();
  }
}

export const event = (type: string, data: object, id?: number | string) =>
  `${id === undefined ? "" : `id: ${id}\n`}event: ${type}\ndata: ${JSON.stringify(data)}\n\n`;

// Begins an answer that is a stream of events.
export function begin(answer: ServerResponse, ...events: string[]) {
  answer.writeHead(200, { "Content-Type": "text/event-stream" });
  events.forEach((each) => answer.write(each));
}

export async function until(condition: () => boolean | Promise<boolean>, what = "it") {
  for (const end = Date.now() + 10_000; !(await condition());) {
    if (Date.now() > end) throw new Error(`not within 10 s: ${what}`);
    await new Promise((done) => setTimeout(done, 5));
  }
}
