// The way in: creates, finds and lists sandboxes, and tells what happens to them.
import { MatrxError } from "./errors.js";
import { Sandbox } from "./sandbox.js";
import { serverEvents } from "./sse.js";
import { Backoff, Transport, type ClientOptions } from "./transport.js";
import type {
  CreateRequest,
  FeedEvent,
  Health,
  HistoryEvent,
  ListQuery,
  SandboxInfo,
  SandboxPage,
  StorageUsage,
} from "./types.js";

export class Matrx {
  private readonly transport: Transport;

  constructor(options: ClientOptions) {
    this.transport = new Transport(options);
  }

  // From MATRX_ORCHESTRATOR_URL and MATRX_ORCHESTRATOR_API_KEY. For servers only.
  static fromEnvironment(options: Partial<ClientOptions> = {}): Matrx {
    const { MATRX_ORCHESTRATOR_URL: url, MATRX_ORCHESTRATOR_API_KEY: apiKey } = (
      globalThis as unknown as { process: { env: Record<string, string | undefined> } }
    ).process.env;
    if (!url) throw new MatrxError("MATRX_ORCHESTRATOR_URL is not set.", "invalid");
    return new Matrx({ url, ...(apiKey && { apiKey }), ...options });
  }

  // Answers when it is ready to use. With an idempotency key it may be repeated safely.
  async create(request: CreateRequest, options: { idempotencyKey?: string; signal?: AbortSignal } = {}) {
    const headers: Record<string, string> = options.idempotencyKey ? { "Idempotency-Key": options.idempotencyKey } : {};
    const call = { json: request, headers, signal: options.signal };
    const info = await this.transport.json<SandboxInfo>("POST", "/sandboxes", call);
    return new Sandbox(this.transport, info.sandbox_id, info);
  }

  // Without asking the orchestrator: for who has an id.
  sandbox(id: string): Sandbox {
    return new Sandbox(this.transport, id);
  }

  async get(id: string, signal?: AbortSignal): Promise<Sandbox> {
    const sandbox = this.sandbox(id);
    await sandbox.refresh(signal);
    return sandbox;
  }

  // A page, newest first.
  list(query: ListQuery = {}, signal?: AbortSignal): Promise<SandboxPage> {
    return this.transport.json("GET", "/sandboxes", { query, signal });
  }

  // All of them, page by page.
  async *all(query: ListQuery = {}, signal?: AbortSignal): AsyncGenerator<SandboxInfo> {
    let cursor: string | undefined;
    do {
      const page = await this.list({ limit: 1000, ...query, ...(cursor && { cursor }) }, signal);
      yield* page.sandboxes;
      cursor = page.next_cursor ?? undefined;
    } while (cursor);
  }

  // What happens to all, as it happens, until the reader stops. Comes back by itself after a broken
  // connection and goes on where it was; `lastEventId` goes on where another one was.
  async *events(
    options: { lastEventId?: string; signal?: AbortSignal; onLost?: () => void } = {},
  ): AsyncGenerator<FeedEvent> {
    const { signal } = options;
    const backoff = new Backoff();
    let last = options.lastEventId ?? "";
    for (;;) {
      let wait = 0;
      try {
        const headers: Record<string, string> = { Accept: "text/event-stream", ...(last && { "Last-Event-ID": last }) };
        const answer = await this.transport.send("GET", "/events", { headers, signal });
        yield { type: "open" };
        if (answer.body) {
          for await (const { type, data, id } of serverEvents(answer.body, (at) => (last = at))) {
            backoff.reset();
            if (type === "reset") yield { type: "reset" };
            else if (type === "sandbox") yield { type: "sandbox", event: JSON.parse(data) as HistoryEvent, id };
          }
        }
      } catch (error) {
        if (signal?.aborted) return;
        // Anything but an answer of the orchestrator is a connection that broke.
        if (error instanceof MatrxError && !error.isTemporary) throw error;
        if (error instanceof MatrxError) wait = error.retryAfterSeconds ?? 0;
      }
      if (signal?.aborted) return;
      options.onLost?.();
      try {
        await backoff.wait(signal, wait);
      } catch {
        return;
      }
    }
  }

  health(): Promise<Health> {
    return this.transport.json("GET", "/health");
  }

  storage(user_id: string): Promise<StorageUsage> {
    return this.transport.json("GET", "/users/{user_id}/storage", { path: { user_id } });
  }
}
