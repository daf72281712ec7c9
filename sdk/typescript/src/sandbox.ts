// One sandbox. `info` is what was last read of it.
import { MatrxError } from "./errors.js";
import { Files } from "./files.js";
import { follow } from "./output.js";
import { Processes } from "./processes.js";
import { Terminal, type TerminalOptions } from "./terminal.js";
import { sleep, type Transport } from "./transport.js";
import {
  hasEnded,
  isUsable,
  type ExecRequest,
  type ExecResult,
  type HistoryEvent,
  type Link,
  type Metrics,
  type OutputEvent,
  type Port,
  type SandboxInfo,
} from "./types.js";

const ONE = "/sandboxes/{sandbox_id}";
const POLL_MS = 500;

export interface WaitOptions {
  for?: "usable" | "ended";
  timeoutMs?: number;
  signal?: AbortSignal;
}

const asRequest = (request: string | ExecRequest) => (typeof request === "string" ? { command: request } : request);

export class Sandbox {
  readonly files: Files;
  readonly processes: Processes;

  constructor(
    private readonly transport: Transport,
    readonly id: string,
    public info?: SandboxInfo,
  ) {
    this.files = new Files(transport, id);
    this.processes = new Processes(transport, id);
  }

  async refresh(signal?: AbortSignal): Promise<SandboxInfo> {
    return (this.info = await this.transport.json<SandboxInfo>("GET", ONE, { ...this.at(), signal }));
  }

  // A create answers when its sandbox is ready; this is for those who have only an id.
  async wait(options: WaitOptions = {}): Promise<SandboxInfo> {
    const { for: what = "usable", timeoutMs = 120_000, signal } = options;
    const end = Date.now() + timeoutMs;
    for (;;) {
      const info = await this.refresh(signal).catch((error: unknown) => {
        if (error instanceof MatrxError && error.isTemporary) return undefined;
        throw error;
      });
      if (info && hasEnded(info)) {
        if (what === "ended") return info;
        throw new MatrxError(info.status_detail ?? `The sandbox has ended: ${info.status}.`, "gone");
      }
      if (info && what === "usable" && isUsable(info)) return info;
      if (Date.now() >= end) throw new MatrxError(`It was not ${what} within ${timeoutMs} ms.`, "timeout");
      await sleep(POLL_MS, signal);
    }
  }

  // At least this time from now on; never shortens.
  async extend(ttl_seconds: number): Promise<SandboxInfo> {
    const call = { ...this.at(), json: { ttl_seconds } };
    return (this.info = await this.transport.json<SandboxInfo>("POST", `${ONE}/extend`, call));
  }

  async pause(): Promise<SandboxInfo> {
    return (this.info = await this.transport.json<SandboxInfo>("POST", `${ONE}/pause`, this.at()));
  }

  async resume(): Promise<SandboxInfo> {
    return (this.info = await this.transport.json<SandboxInfo>("POST", `${ONE}/resume`, this.at()));
  }

  // Returns when nothing is left of it; one that has ended already is no failure.
  destroy({ graceful = true, reason }: { graceful?: boolean; reason?: string } = {}): Promise<void> {
    return this.transport.done("DELETE", ONE, { ...this.at(), query: { graceful, reason } });
  }

  // Runs a command to its end. A code other than 0 is no failure of the call; 124: it ran out of time.
  exec(request: string | ExecRequest, signal?: AbortSignal): Promise<ExecResult> {
    return this.transport.json("POST", `${ONE}/exec`, { ...this.at(), json: asRequest(request), signal });
  }

  // Its output as it comes. Survives broken connections; who stops reading leaves it running.
  async *stream(request: string | ExecRequest, signal?: AbortSignal): AsyncGenerator<OutputEvent> {
    const call = { ...this.at(), json: asRequest(request), signal };
    const answer = await this.transport.send("POST", `${ONE}/exec/stream`, call);
    yield* follow(this.transport, this.id, undefined, signal ? { signal } : {}, answer);
  }

  terminal(options: TerminalOptions = {}): Terminal {
    return new Terminal(this.transport, this.id, options);
  }

  async history(): Promise<HistoryEvent[]> {
    return (await this.transport.json<{ events: HistoryEvent[] }>("GET", `${ONE}/events`, this.at())).events;
  }

  metrics(): Promise<Metrics> {
    return this.transport.json("GET", `${ONE}/metrics`, this.at());
  }

  async logs(tail?: number): Promise<string> {
    return (await this.transport.send("GET", `${ONE}/logs`, { ...this.at(), query: { tail } })).text();
  }

  async ports(): Promise<Port[]> {
    return (await this.transport.json<{ ports: Port[] }>("GET", `${ONE}/ports`, this.at())).ports;
  }

  // For a program that has the key: HTTP and WebSocket to a port inside.
  proxyUrl(port: number, path = "/"): string {
    return this.transport.absolute(`/sandboxes/${encodeURIComponent(this.id)}/proxy/${port}${path}`);
  }

  // For a browser: whoever has the address comes to this port, until it runs out.
  async link(port: number, ttl_seconds?: number): Promise<Link & { url: string }> {
    const link = await this.transport.json<Link>("POST", `${ONE}/links`, { ...this.at(), json: { port, ttl_seconds } });
    return { ...link, url: this.transport.absolute(link.path) };
  }

  private at() {
    return { path: { sandbox_id: this.id } };
  }
}
