// The one place that sends requests.
import { errorOf, MatrxError } from "./errors.js";
import type { ApiPath } from "./types.js";

// What of a WebSocket is needed. In Node.js, both its own (22 and newer) and the one of the package ws fit.
export interface Socket {
  binaryType: string;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: (() => void) | null;
  onerror: ((event: unknown) => void) | null;
  send(data: string | Uint8Array): void;
  close(): void;
}
// Headers are given only where there is a key, so never in a browser.
export type SocketConstructor = new (url: string, options?: { headers: Record<string, string> }) => Socket;

export interface ClientOptions {
  // Of the orchestrator, or of what stands in front of it: "https://sandboxes.example", "/api/matrx".
  url: string;
  // Never in a browser: there, a server of yours adds it (see "matrx-sandbox/server").
  apiKey?: string;
  headers?: Record<string, string>;
  fetch?: typeof fetch;
  WebSocket?: SocketConstructor;
}

export type Parameters = Record<string, string | number | boolean | undefined>;

export interface Call {
  path?: Record<string, string | number>;
  query?: Parameters;
  json?: unknown;
  body?: BodyInit | ReadableStream<Uint8Array>;
  headers?: Record<string, string>;
  signal?: AbortSignal | undefined;
}

export class Transport {
  readonly url: string;
  private readonly ask: typeof fetch;

  constructor(private readonly options: ClientOptions) {
    this.url = options.url.replace(/\/+$/, "");
    this.ask = options.fetch ?? ((input, init) => fetch(input, init));
  }

  // The answer, or a MatrxError. Giving up (`signal`) throws what fetch throws.
  async send(method: string, pattern: ApiPath, call: Call = {}): Promise<Response> {
    const headers: Record<string, string> = { ...this.headers(), ...call.headers };
    let body = call.body;
    if (call.json !== undefined) {
      headers["Content-Type"] = "application/json";
      body = JSON.stringify(call.json);
    }
    const init: RequestInit & { duplex?: "half" } = { method, headers };
    if (call.signal) init.signal = call.signal;
    if (body !== undefined) init.body = body;
    if (body instanceof ReadableStream) init.duplex = "half"; // fetch asks for it
    let answer: Response;
    try {
      answer = await this.ask(this.url + pathOf(pattern, call), init);
    } catch (error) {
      if (call.signal?.aborted) throw error;
      throw unreachable(error);
    }
    if (!answer.ok) throw await errorOf(answer);
    return answer;
  }

  async json<T>(method: string, pattern: ApiPath, call: Call = {}): Promise<T> {
    const answer = await this.send(method, pattern, call);
    try {
      return (await answer.json()) as T;
    } catch (error) {
      if (call.signal?.aborted) throw error;
      throw unreachable(error);
    }
  }

  async done(method: string, pattern: ApiPath, call: Call = {}): Promise<void> {
    const answer = await this.send(method, pattern, call);
    await answer.arrayBuffer().catch(() => undefined); // so that the connection can be used again
  }

  socket(pattern: ApiPath, call: Call): Socket {
    const Constructor =
      this.options.WebSocket ?? (globalThis as unknown as { WebSocket?: SocketConstructor }).WebSocket;
    if (!Constructor) {
      throw new MatrxError("There is no WebSocket here: give the client one, as { WebSocket } of ws.", "invalid");
    }
    const url = this.absolute(pathOf(pattern, call)).replace(/^http/, "ws");
    const headers = this.headers();
    return Object.keys(headers).length > 0 ? new Constructor(url, { headers }) : new Constructor(url);
  }

  // Of this server; also where `url` is only a path, in a browser.
  absolute(path: string): string {
    const base = typeof location === "undefined" ? undefined : location.href;
    return new URL(this.url + path, base).href;
  }

  private headers(): Record<string, string> {
    const { apiKey, headers } = this.options;
    return { ...(apiKey && { Authorization: `Bearer ${apiKey}` }), ...headers };
  }
}

const unreachable = (cause: unknown) =>
  new MatrxError("The orchestrator cannot be reached.", "unreachable", 0, [], undefined, undefined, { cause });

export function pathOf(pattern: ApiPath, { path = {}, query = {} }: Pick<Call, "path" | "query">): string {
  const filled = pattern.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(path[name] ?? "")));
  const pairs = Object.entries(query).filter(([, value]) => value !== undefined);
  const text = new URLSearchParams(pairs.map(([name, value]) => [name, String(value)])).toString();
  return text ? `${filled}?${text}` : filled;
}

// Longer pauses from try to try; `reset` after a success.
export class Backoff {
  static readonly MIN_MS = 200;
  static readonly MAX_MS = 5000;
  private delay = Backoff.MIN_MS;

  reset() {
    this.delay = Backoff.MIN_MS;
  }

  async wait(signal?: AbortSignal, atLeastSeconds = 0) {
    const ms = Math.max(this.delay, atLeastSeconds * 1000);
    this.delay = Math.min(Backoff.MAX_MS, this.delay * 2);
    await sleep(ms, signal);
  }
}

export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((done, fail) => {
    if (signal?.aborted) return fail(signal.reason as Error);
    const given = () => {
      clearTimeout(timer);
      fail(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", given);
      done();
    }, ms);
    signal?.addEventListener("abort", given, { once: true });
  });
}
