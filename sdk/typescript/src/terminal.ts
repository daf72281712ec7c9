// A terminal over a WebSocket that may break: counts what it has shown and goes on from there.
import { MatrxError } from "./errors.js";
import { Backoff, type Socket, type Transport } from "./transport.js";

export type TerminalState =
  | { at: "connecting" }
  | { at: "open"; writer: boolean } // not the writer: somebody else has the keyboard
  | { at: "waiting" } // lost; tried again by itself
  | { at: "ended"; exitCode?: number; why?: string };

export interface TerminalOptions {
  cols?: number;
  rows?: number;
  terminalId?: string; // of one that is there; none: a new one
  since?: number;
  readonly?: boolean;
  cwd?: string;
  user?: string;
  onData?: (bytes: Uint8Array) => void;
  onState?: (state: TerminalState) => void;
  onGap?: (from: number, to: number) => void; // these bytes are no longer kept
  onError?: (error: MatrxError) => void; // what was asked for is refused; the terminal goes on
}

type Message = {
  type?: string;
  terminal_id?: string;
  offset?: number;
  writer?: boolean;
  from?: number;
  to?: number;
  exit_code?: number;
  code?: string;
  detail?: string;
};

export class Terminal {
  state: TerminalState = { at: "connecting" };
  offset: number;
  terminalId: string | undefined;
  private size: { cols: number; rows: number };
  private socket: Socket | undefined;
  private readonly backoff = new Backoff();
  private readonly over = new AbortController();
  private waiting: (string | Uint8Array)[] = []; // typed before the first connection stands
  private settle: (() => void)[] = [];

  constructor(
    private readonly transport: Transport,
    private readonly sandbox_id: string,
    private readonly options: TerminalOptions,
  ) {
    this.offset = options.since ?? 0;
    this.terminalId = options.terminalId;
    this.size = { cols: options.cols ?? 80, rows: options.rows ?? 24 };
    this.connect();
  }

  // Type into it. Nothing happens while somebody else has the keyboard, or while the connection is lost.
  write(data: string | Uint8Array) {
    if (this.state.at === "connecting" && !this.terminalId) this.waiting.push(data);
    if (this.state.at !== "open" || !this.state.writer) return;
    this.socket?.send(typeof data === "string" ? new TextEncoder().encode(data) : data);
  }

  resize(cols: number, rows: number) {
    this.size = { cols, rows };
    if (this.state.at === "open" && this.state.writer) this.tell({ type: "resize", cols, rows });
  }

  signal(signal: string) {
    this.tell({ type: "signal", signal });
  }

  takeOver() {
    this.tell({ type: "takeover" });
  }

  // Leaves it; it lives on, and terminalId with offset finds it again.
  close() {
    this.finish({ at: "ended" });
  }

  // Until it has ended or was closed.
  ended(): Promise<{ exitCode?: number; why?: string }> {
    return new Promise((done) => {
      const tell = () => done(this.state as { exitCode?: number; why?: string });
      if (this.state.at === "ended") tell();
      else this.settle.push(tell);
    });
  }

  private connect() {
    const { cols, rows } = this.size;
    const { readonly, cwd, user } = this.options;
    const query = this.terminalId
      ? { cols, rows, readonly, terminal: this.terminalId, since: this.offset }
      : { cols, rows, readonly, cwd, user };
    const call = { path: { sandbox_id: this.sandbox_id }, query };
    const socket = this.transport.socket("/sandboxes/{sandbox_id}/pty", call);
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => this.take(data);
    socket.onerror = () => undefined; // a close follows
    socket.onclose = () => void this.lost(socket);
    this.socket = socket;
  }

  private tell(message: object) {
    if (this.state.at === "open") this.socket?.send(JSON.stringify(message));
  }

  private set(state: TerminalState) {
    this.state = state;
    this.options.onState?.(state);
  }

  private take(data: unknown) {
    if (typeof data === "string") return this.obey(data);
    const bytes = new Uint8Array(data as ArrayBuffer);
    this.offset += bytes.length;
    this.options.onData?.(bytes);
  }

  private obey(text: string) {
    const message = JSON.parse(text) as Message;
    switch (message.type) {
      case "ready":
        this.terminalId = message.terminal_id ?? this.terminalId;
        this.offset = message.offset ?? this.offset;
        this.backoff.reset();
        this.become(message.writer === true);
        this.waiting.splice(0).forEach((data) => this.write(data));
        return;
      case "gap":
        this.offset = message.to ?? this.offset;
        this.options.onGap?.(message.from ?? 0, this.offset);
        return;
      case "writer":
        this.become(message.writer === true);
        return;
      case "exit":
        this.finish({ at: "ended", exitCode: message.exit_code ?? 0 });
        return;
      case "error":
        this.options.onError?.(new MatrxError(message.detail ?? "", message.code ?? "internal"));
        return;
    }
  }

  private become(writer: boolean) {
    this.set({ at: "open", writer });
    if (writer) this.tell({ type: "resize", ...this.size });
  }

  private finish(state: TerminalState) {
    if (this.state.at === "ended") return;
    this.over.abort();
    this.set(state);
    this.socket?.close();
    this.settle.splice(0).forEach((tell) => tell());
  }

  private async lost(socket: Socket) {
    if (this.state.at === "ended" || socket !== this.socket) return;
    this.set({ at: "waiting" });
    const why = await this.whyGone();
    if (this.over.signal.aborted) return;
    if (why) return this.finish({ at: "ended", why });
    await this.backoff.wait(this.over.signal).catch(() => undefined);
    if (this.over.signal.aborted) return;
    this.set({ at: "connecting" });
    this.connect();
  }

  // A refused WebSocket does not say why: look whether there is something to come back to.
  private async whyGone(): Promise<string | undefined> {
    const path = { sandbox_id: this.sandbox_id, process_id: this.terminalId ?? "" };
    try {
      if (this.terminalId) await this.transport.done("GET", "/sandboxes/{sandbox_id}/processes/{process_id}", { path });
      else await this.transport.done("GET", "/sandboxes/{sandbox_id}/ports", { path });
      return undefined;
    } catch (error) {
      return error instanceof MatrxError && !error.isTemporary ? error.message : undefined;
    }
  }
}
