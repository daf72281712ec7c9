// What stands in a web application's server between its pages and the orchestrator: it has the key, knows who asks,
// and lets everybody at his own sandboxes only. A route handler: Request in, Response out (Next.js and its like).

export interface ForwardOptions {
  url: string; // MATRX_ORCHESTRATOR_URL
  apiKey?: string; // MATRX_ORCHESTRATOR_API_KEY
  prefix: string; // below which the handler lives: "/api/matrx"
  // Who is signed in, as a user_id of the orchestrator; nothing: nobody.
  userOf: (request: Request) => Promise<string | undefined> | string | undefined;
  // What a create may ask for beyond user_id. Default: name, ttl_seconds, labels, config, template.
  createFields?: readonly string[];
  fetch?: typeof fetch;
}

const CREATE_FIELDS = ["name", "ttl_seconds", "labels", "config", "template"];
// What may follow a sandbox's id. Not proxy: what a program answers would be a page of the application's own origin.
const PARTS = [
  "exec(/stream)?|extend|pause|resume|events|metrics|logs|ports|links",
  "processes(/[\\w-]+(/(output|stdin|signal|resize))?)?",
  "files(/(list|stat|mkdir|move|copy|archive|watch))?",
];
const ONE = new RegExp(`^/sandboxes/(sbx-[0-9a-f]{12})(/(${PARTS.join("|")}))?$`);
const UP = ["content-type", "content-encoding", "accept", "range", "idempotency-key", "last-event-id"];
const DOWN = ["content-type", "content-range", "accept-ranges", "retry-after", "x-request-id", "cache-control"];
const KNOWN_MAX = 10_000;

const refusal = (status: number, code: string, detail: string) =>
  Response.json({ detail, code }, { status, headers: { "Cache-Control": "no-store" } });

export function forward(options: ForwardOptions): (request: Request) => Promise<Response> {
  const ask = options.fetch ?? ((input, init) => fetch(input, init));
  const root = options.url.replace(/\/+$/, "");
  const fields = options.createFields ?? CREATE_FIELDS;
  const owners = new Map<string, string>(); // sandbox → user; it never changes

  const send = (method: string, target: string, headers: Headers, body?: BodyInit | null, signal?: AbortSignal) => {
    if (options.apiKey) headers.set("X-API-Key", options.apiKey);
    const init: RequestInit & { duplex?: "half" } = { method, headers, redirect: "manual" };
    if (signal) init.signal = signal;
    if (body) Object.assign(init, { body, duplex: "half" });
    return ask(root + target, init);
  };

  const ownerOf = async (id: string): Promise<string | undefined> => {
    const known = owners.get(id);
    if (known !== undefined) return known;
    const answer = await send("GET", `/sandboxes/${id}`, new Headers());
    if (!answer.ok) {
      await answer.arrayBuffer();
      if (answer.status === 404) return undefined;
      throw new Error(`the orchestrator answered ${answer.status}`);
    }
    const { user_id } = (await answer.json()) as { user_id: string };
    if (owners.size >= KNOWN_MAX) owners.clear();
    owners.set(id, user_id);
    return user_id;
  };

  // Only what happens to this user's sandboxes. Ids pass, so that a browser that comes back goes on after them.
  const ownEvents = (user: string) => {
    const decoder = new TextDecoder();
    const encoder = new TextEncoder();
    let rest = "";
    return new TransformStream<Uint8Array, Uint8Array>({
      async transform(piece, out) {
        const blocks = (rest + decoder.decode(piece, { stream: true })).split("\n\n");
        rest = blocks.pop() ?? "";
        for (const block of blocks) {
          const id = /"sandbox_id":"(sbx-[0-9a-f]{12})"/.exec(block)?.[1];
          const passes = !/^event: sandbox$/m.test(block) || (id !== undefined && (await ownerOf(id)) === user);
          const text = passes ? block : block.split("\n").filter((line) => line.startsWith("id: "))[0];
          if (text) out.enqueue(encoder.encode(`${text}\n\n`));
        }
      },
    });
  };

  const handle = async (request: Request): Promise<Response> => {
    const url = new URL(request.url);
    const path = url.pathname.slice(options.prefix.length);
    if (!url.pathname.startsWith(options.prefix + "/")) return refusal(404, "not_found", "There is no such path.");
    // The application's cookie vouches for the request: no other site may send it.
    const origin = request.headers.get("Origin");
    const host = request.headers.get("X-Forwarded-Host") ?? request.headers.get("Host") ?? url.host;
    const foreign = origin !== null && origin.replace(/^https?:\/\//, "") !== host;
    const site = request.headers.get("Sec-Fetch-Site");
    if (foreign || (site !== null && site !== "same-origin" && site !== "none"))
      return refusal(403, "forbidden", "A page of another origin may not do this.");
    const user = await options.userOf(request);
    if (!user) return refusal(401, "unauthenticated", "Sign in first.");

    const headers = new Headers();
    for (const name of UP) {
      const value = request.headers.get(name);
      if (value !== null) headers.set(name, value);
    }
    let body: BodyInit | null = request.body;
    if (path === "/sandboxes" && request.method === "POST") {
      const asked = (await request.json().catch(() => ({}))) as Record<string, unknown> | null;
      const allowed = Object.entries(asked ?? {}).filter(([name]) => fields.includes(name));
      body = JSON.stringify({ ...Object.fromEntries(allowed), user_id: user });
      const key = headers.get("idempotency-key"); // users do not share them
      if (key) headers.set("idempotency-key", `${user}:${key}`);
    } else if (path === "/sandboxes" && request.method === "GET") {
      url.searchParams.set("user_id", user);
    } else if (path === "/events" && request.method === "GET") {
      const answer = await send("GET", `/events${url.search}`, headers, null, request.signal);
      const isStream = answer.ok && answer.body;
      return passOn(answer, isStream ? answer.body.pipeThrough(ownEvents(user)) : answer.body);
    } else {
      const id = ONE.exec(path)?.[1];
      // Somebody else's is one that does not exist.
      if (!id || (await ownerOf(id)) !== user) return refusal(404, "not_found", "There is no such sandbox.");
    }
    const answer = await send(request.method, path + url.search, headers, body, request.signal);
    return passOn(answer, answer.body);
  };

  return async (request) => {
    try {
      return await handle(request);
    } catch {
      return refusal(502, "unavailable", "The orchestrator cannot be reached.");
    }
  };
}

function passOn(answer: Response, body: ReadableStream<Uint8Array> | null): Response {
  const headers = new Headers();
  for (const name of [...DOWN, "x-matrx-output-begin", "x-matrx-output-end"]) {
    const value = answer.headers.get(name);
    if (value !== null) headers.set(name, value);
  }
  // A file out of a sandbox is not a page of this application, whatever it says it is.
  headers.set("Content-Security-Policy", "default-src 'none'; sandbox");
  headers.set("X-Content-Type-Options", "nosniff");
  return new Response(body, { status: answer.status, headers });
}
