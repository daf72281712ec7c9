// As small as a server of route handlers can be. In Next.js and its like this file is not there: the handlers below
// `app` have the shape that they take.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, join, normalize } from "node:path";
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import * as count from "./app/api/count/route";
import * as matrx from "./app/api/matrx/[...path]/route";
import * as session from "./app/api/session/route";

type Handlers = Partial<Record<string, (request: Request) => Response | Promise<Response>>>;
const ROUTES: [string, Handlers][] = [
  ["/api/matrx/", matrx],
  ["/api/session", session],
  ["/api/count", count],
];
const PAGES = fileURLToPath(new URL("../page", import.meta.url));
const TYPES: Record<string, string> = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css" };

async function page(path: string): Promise<Response> {
  const name = normalize(path).replace(/^[/.]+/, "") || "index.html";
  const content = await readFile(join(PAGES, name)).catch(() => undefined);
  if (!content) return new Response("There is no such page.", { status: 404 });
  return new Response(new Uint8Array(content), {
    headers: { "Content-Type": TYPES[extname(name)] ?? "application/octet-stream" },
  });
}

function toRequest(incoming: IncomingMessage, signal: AbortSignal): Request {
  const { method = "GET", url = "/", headers } = incoming;
  const init: RequestInit & { duplex?: "half" } = { method, signal };
  init.headers = Object.entries(headers).flatMap(([name, value]) =>
    value === undefined ? [] : [value].flat().map((each): [string, string] => [name, each]),
  );
  if (method !== "GET" && method !== "HEAD") {
    init.body = Readable.toWeb(incoming) as ReadableStream<Uint8Array>;
    init.duplex = "half";
  }
  return new Request(new URL(url, `http://${headers.host ?? "localhost"}`), init);
}

async function answer(incoming: IncomingMessage, outgoing: ServerResponse) {
  const gone = new AbortController();
  outgoing.on("close", () => gone.abort());
  const request = toRequest(incoming, gone.signal);
  const { pathname } = new URL(request.url);
  const handlers = ROUTES.find(([path]) => (path.endsWith("/") ? pathname.startsWith(path) : pathname === path))?.[1];
  const handler = handlers?.[request.method];
  const response = handler
    ? await handler(request)
    : handlers
      ? new Response(null, { status: 405 })
      : await page(pathname);
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  outgoing.flushHeaders();
  if (!response.body) return void outgoing.end();
  for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>) {
    if (!outgoing.write(piece)) await new Promise((done) => outgoing.once("drain", done).once("close", done));
    if (gone.signal.aborted) break;
  }
  outgoing.end();
}

const server = createServer((incoming, outgoing) => {
  answer(incoming, outgoing).catch((error: unknown) => {
    if (!outgoing.headersSent) outgoing.writeHead(500);
    outgoing.end();
    if (!outgoing.destroyed) console.error(error);
  });
});
server.listen(Number(process.env.PORT ?? 3000), "127.0.0.1", () => {
  const address = server.address();
  console.log(`listening on ${typeof address === "object" ? address?.port : address}`);
});
