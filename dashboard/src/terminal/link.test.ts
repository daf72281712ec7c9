import { describe, expect, it } from "vitest";
import { TerminalLink, type LinkParts, type Socket } from "./link";

class FakeSocket implements Socket {
  binaryType = "";
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: (() => void) | null = null;
  sent: (string | Uint8Array)[] = [];
  constructor(readonly path: string) {}
  send(data: string | Uint8Array) {
    this.sent.push(data);
  }
  close() {
    this.onclose?.();
  }
  tell(message: object) {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
  bytes(text: string) {
    this.onmessage?.({ data: new TextEncoder().encode(text).buffer });
  }
}

function world(gone: (id: string | undefined) => string | undefined = () => undefined) {
  const sockets: FakeSocket[] = [];
  const later: (() => void)[] = [];
  let shown = "";
  const said: string[] = [];
  const parts: LinkParts = {
    open: (path) => {
      sockets.push(new FakeSocket(path));
      return sockets[sockets.length - 1]!;
    },
    show: (bytes) => {
      shown += new TextDecoder().decode(bytes);
    },
    say: (text) => said.push(text),
    changed: () => undefined,
    gone: (id) => Promise.resolve(gone(id)),
    later: (act) => later.push(act),
  };
  const link = new TerminalLink("sbx-1", parts);
  link.connect();
  return { link, sockets, later, said, shown: () => shown };
}

const settle = () => new Promise((resolve) => setTimeout(resolve, 0));

describe("TerminalLink", () => {
  it("comes back at the byte where it was cut off", async () => {
    const { link, sockets, later, shown } = world();
    const first = sockets[0]!;
    first.tell({ type: "ready", terminal_id: "prc-1", offset: 0, writer: true });
    first.bytes("héllo");
    first.close();
    await settle();
    expect(link.state.at).toBe("waiting");
    later[0]!();
    expect(sockets[1]!.path).toContain("terminal=prc-1");
    expect(sockets[1]!.path).toContain("since=6");
    sockets[1]!.tell({ type: "ready", terminal_id: "prc-1", offset: 6, writer: true });
    sockets[1]!.bytes("!");
    expect(link.offset).toBe(7);
    expect(shown()).toBe("héllo!");
  });

  it("jumps over what is no longer kept, and says so", () => {
    const { link, sockets, said } = world();
    sockets[0]!.tell({ type: "ready", terminal_id: "t", offset: 10, writer: true });
    sockets[0]!.tell({ type: "gap", from: 10, to: 100 });
    expect(link.offset).toBe(100);
    expect(said).toEqual(["90 bytes are no longer kept"]);
  });

  it("sends nothing while another one has the keyboard", () => {
    const { link, sockets } = world();
    const socket = sockets[0]!;
    socket.tell({ type: "ready", terminal_id: "t", offset: 0, writer: false });
    link.input("rm");
    link.resize(100, 30);
    expect(socket.sent).toEqual([]);
    link.takeOver();
    socket.tell({ type: "writer", writer: true });
    link.input("ls");
    expect(socket.sent.map((each) => (typeof each === "string" ? JSON.parse(each).type : "bytes"))).toEqual([
      "takeover",
      "resize",
      "bytes",
    ]);
  });

  it("types on at once for who takes over", () => {
    const { link, sockets } = world();
    const socket = sockets[0]!;
    socket.tell({ type: "ready", terminal_id: "t", offset: 0, writer: false });
    link.input("lost");
    link.takeOver();
    expect(link.takingOver).toBe(true);
    link.input("l");
    link.input("s");
    socket.tell({ type: "writer", writer: true });
    expect(link.takingOver).toBe(false);
    const bytes = socket.sent.filter((each): each is Uint8Array => typeof each !== "string");
    expect(bytes.map((each) => new TextDecoder().decode(each))).toEqual(["ls"]);
  });

  it("forgets what was typed where the keyboard is refused", () => {
    const { link, sockets } = world();
    const socket = sockets[0]!;
    socket.tell({ type: "ready", terminal_id: "t", offset: 0, writer: false });
    link.takeOver();
    link.input("rm");
    socket.tell({ type: "error", detail: "no" });
    expect(link.takingOver).toBe(false);
    socket.tell({ type: "writer", writer: true });
    expect(socket.sent.filter((each) => typeof each !== "string")).toEqual([]);
  });

  it("ends with the program, and does not come back", async () => {
    const { link, sockets, later } = world();
    sockets[0]!.tell({ type: "ready", terminal_id: "t", offset: 0, writer: true });
    sockets[0]!.tell({ type: "exit", exit_code: 3 });
    await settle();
    expect(link.state).toEqual({ at: "ended", why: "It has ended with code 3." });
    expect(later).toEqual([]);
  });

  it("ends where the sandbox is gone", async () => {
    const { link, sockets } = world(() => "The sandbox has ended.");
    sockets[0]!.close();
    await settle();
    expect(link.state).toEqual({ at: "ended", why: "The sandbox has ended." });
  });
});
