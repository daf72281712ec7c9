// A terminal in a sandbox over a WebSocket that may break: counts what it has shown and goes on from there.

export type LinkState =
  | { at: "connecting" }
  | { at: "open"; writer: boolean }
  | { at: "waiting" } // lost; tried again by itself
  | { at: "ended"; why: string };

// What of a WebSocket is needed; a test has its own.
export interface Socket {
  binaryType: string;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: (() => void) | null;
  send(data: string | Uint8Array): void;
  close(): void;
}

export interface LinkParts {
  open(path: string): Socket;
  show(bytes: Uint8Array): void;
  say(text: string): void; // a remark of ours among what the terminal shows
  changed(): void;
  // Why there is nothing to come back to; nothing: there is.
  gone(terminalId: string | undefined): Promise<string | undefined>;
  later(act: () => void, ms: number): void;
}

const RETRY_MIN_MS = 300;
const RETRY_MAX_MS = 5000;
const TYPED_CHARS_MAX = 64 * 1024;

type Message = {
  type?: string;
  terminal_id?: string;
  offset?: number;
  writer?: boolean;
  from?: number;
  to?: number;
  exit_code?: number;
  detail?: string;
};

export class TerminalLink {
  state: LinkState = { at: "connecting" };
  offset = 0;
  size = { cols: 80, rows: 24 };
  private socket: Socket | undefined;
  private delay = RETRY_MIN_MS;
  private closed = false;
  private problem = "";
  takingOver = false; // asked for the keyboard, not answered yet
  private typed = ""; // before the keyboard is ours: who has asked for it types on at once

  constructor(
    private readonly sandboxId: string,
    private readonly parts: LinkParts,
    public terminalId?: string,
  ) {}

  connect() {
    if (this.closed) return;
    this.set({ at: "connecting" });
    const query = new URLSearchParams({ cols: String(this.size.cols), rows: String(this.size.rows) });
    if (this.terminalId) {
      query.set("terminal", this.terminalId);
      query.set("since", String(this.offset));
    }
    const socket = this.parts.open(`/sandboxes/${encodeURIComponent(this.sandboxId)}/pty?${query.toString()}`);
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => this.take(data);
    socket.onclose = () => void this.lost(socket);
    this.socket = socket;
  }

  input(text: string) {
    const waits = this.takingOver || (this.state.at === "connecting" && !this.terminalId);
    if (waits) this.typed = (this.typed + text).slice(0, TYPED_CHARS_MAX);
    if (this.state.at === "open" && this.state.writer) this.socket?.send(new TextEncoder().encode(text));
  }

  // Binary input: what a program asked the terminal to report byte by byte.
  inputBytes(binary: string) {
    if (this.state.at !== "open" || !this.state.writer) return;
    this.socket?.send(Uint8Array.from(binary, (c) => c.charCodeAt(0)));
  }

  resize(cols: number, rows: number) {
    this.size = { cols, rows };
    if (this.state.at === "open" && this.state.writer) this.tell({ type: "resize", cols, rows });
  }

  takeOver() {
    if (this.state.at !== "open" || this.state.writer) return;
    this.takingOver = true;
    this.parts.changed();
    this.tell({ type: "takeover" });
  }

  close() {
    this.closed = true;
    this.socket?.close();
  }

  private tell(message: object) {
    this.socket?.send(JSON.stringify(message));
  }

  private set(state: LinkState) {
    this.state = state;
    this.parts.changed();
  }

  private take(data: unknown) {
    if (typeof data === "string") return this.obey(data);
    const bytes = new Uint8Array(data as ArrayBuffer);
    this.offset += bytes.length;
    this.parts.show(bytes);
  }

  private obey(text: string) {
    let message: Message;
    try {
      message = JSON.parse(text) as Message;
    } catch {
      return;
    }
    switch (message.type) {
      case "ready":
        this.terminalId = message.terminal_id ?? this.terminalId;
        this.offset = message.offset ?? this.offset;
        this.delay = RETRY_MIN_MS;
        this.set({ at: "open", writer: message.writer === true });
        if (message.writer) this.tell({ type: "resize", ...this.size });
        this.typeOn();
        return;
      case "gap":
        this.offset = message.to ?? this.offset;
        this.parts.say(`${this.offset - (message.from ?? 0)} bytes are no longer kept`);
        return;
      case "writer":
        this.takingOver &&= message.writer !== true;
        this.set({ at: "open", writer: message.writer === true });
        if (message.writer) this.tell({ type: "resize", ...this.size });
        if (message.writer) this.typeOn();
        return;
      case "exit":
        this.end(`It has ended with code ${message.exit_code ?? "?"}.`);
        return;
      case "error":
        this.problem = message.detail ?? "";
        this.giveUpTakingOver();
        return;
    }
  }

  private typeOn() {
    const typed = this.typed;
    this.typed = "";
    if (typed) this.input(typed);
  }

  // What was typed for a keyboard that is not ours goes nowhere.
  private giveUpTakingOver() {
    if (!this.takingOver) return;
    this.takingOver = false;
    this.typed = "";
    this.parts.changed();
  }

  private end(why: string) {
    this.closed = true;
    this.set({ at: "ended", why });
    this.socket?.close();
  }

  private async lost(socket: Socket) {
    if (this.closed || socket !== this.socket) return;
    this.giveUpTakingOver();
    this.set({ at: "waiting" });
    const why = await this.parts.gone(this.terminalId);
    if (this.closed) return;
    if (why) return this.end(this.problem || why);
    this.parts.later(() => this.connect(), this.delay);
    this.delay = Math.min(RETRY_MAX_MS, this.delay * 2);
  }
}
