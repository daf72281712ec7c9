// Processes that outlive the request, and the orchestrator.
import { follow, type Follow } from "./output.js";
import type { Transport } from "./transport.js";
import type { OutputEvent, ProcessInfo, ProcessRequest } from "./types.js";

const ONE = "/sandboxes/{sandbox_id}/processes/{process_id}";

export interface Output {
  bytes: Uint8Array;
  begin: number; // offset of the first of them
  end: number; // go on from here
}

export class Processes {
  constructor(
    private readonly transport: Transport,
    private readonly sandbox_id: string,
  ) {}

  start(request: string | ProcessRequest): Promise<{ process_id: string; pid: number }> {
    return this.transport.json("POST", "/sandboxes/{sandbox_id}/processes", {
      path: { sandbox_id: this.sandbox_id },
      json: typeof request === "string" ? { command: request } : request,
    });
  }

  async list(): Promise<ProcessInfo[]> {
    const path = { sandbox_id: this.sandbox_id };
    return (
      await this.transport.json<{ processes: ProcessInfo[] }>("GET", "/sandboxes/{sandbox_id}/processes", { path })
    ).processes;
  }

  get(process_id: string): Promise<ProcessInfo> {
    return this.transport.json("GET", ONE, { path: this.at(process_id) });
  }

  // What it has written so far, from an offset on.
  async output(process_id: string, since = 0): Promise<Output> {
    const answer = await this.transport.send("GET", `${ONE}/output`, {
      path: this.at(process_id),
      query: { since, follow: false },
    });
    const bytes = new Uint8Array(await answer.arrayBuffer());
    const number = (name: string, otherwise: number) => Number(answer.headers.get(name) ?? otherwise);
    const begin = number("X-Matrx-Output-Begin", since);
    return { bytes, begin, end: number("X-Matrx-Output-End", begin + bytes.length) };
  }

  // What it writes, until it ends. Survives broken connections.
  follow(process_id: string, options: Follow = {}): AsyncGenerator<OutputEvent> {
    return follow(this.transport, this.sandbox_id, process_id, options);
  }

  // Needs `stdin: true` at the start.
  write(process_id: string, data: string, { eof = false } = {}): Promise<void> {
    return this.transport.done("POST", `${ONE}/stdin`, { path: this.at(process_id), json: { data, eof } });
  }

  signal(process_id: string, signal: string | number): Promise<void> {
    return this.transport.done("POST", `${ONE}/signal`, { path: this.at(process_id), json: { signal } });
  }

  // It, and all that it has started.
  kill(process_id: string): Promise<void> {
    return this.transport.done("DELETE", ONE, { path: this.at(process_id) });
  }

  private at(process_id: string) {
    return { sandbox_id: this.sandbox_id, process_id };
  }
}
