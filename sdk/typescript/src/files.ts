// Files of a sandbox. Paths are absolute, or begin at the home.
import { MatrxError } from "./errors.js";
import { serverEvents } from "./sse.js";
import type { Parameters, Transport } from "./transport.js";
import type { FileChange, FileEntry } from "./types.js";

const FILES = "/sandboxes/{sandbox_id}/files";

export type Content = string | Uint8Array | ArrayBuffer | Blob | ReadableStream<Uint8Array>;

export interface As {
  user?: string; // with whose rights; agent where none is named
  signal?: AbortSignal;
}

export class Files {
  constructor(
    private readonly transport: Transport,
    private readonly sandbox_id: string,
  ) {}

  // `first` and `last` are offsets, both inclusive.
  async stream(
    path: string,
    options: As & { first?: number; last?: number } = {},
  ): Promise<ReadableStream<Uint8Array>> {
    const { first, last } = options;
    const range: Record<string, string> =
      first === undefined && last === undefined ? {} : { Range: `bytes=${first ?? 0}-${last ?? ""}` };
    const answer = await this.transport.send("GET", FILES, { ...this.call({ path }, options), headers: range });
    if (!answer.body) throw new MatrxError("The answer has no body.", "unreachable");
    return answer.body;
  }

  async read(path: string, options: As & { first?: number; last?: number } = {}): Promise<Uint8Array> {
    return new Uint8Array(await new Response(await this.stream(path, options)).arrayBuffer());
  }

  async readText(path: string, options: As = {}): Promise<string> {
    return new TextDecoder().decode(await this.read(path, options));
  }

  // The name appears when all of it is there; parents are made.
  write(path: string, content: Content, options: As = {}): Promise<FileEntry> {
    const body = content as BodyInit;
    const headers = { "Content-Type": "application/octet-stream" };
    return this.transport.json("PUT", FILES, { ...this.call({ path }, options), body, headers });
  }

  async list(path = "~", options: As & { depth?: number } = {}): Promise<FileEntry[]> {
    const call = this.call({ path, depth: options.depth }, options);
    return (await this.transport.json<{ entries: FileEntry[] }>("GET", `${FILES}/list`, call)).entries;
  }

  stat(path: string, options: As = {}): Promise<FileEntry> {
    return this.transport.json("GET", `${FILES}/stat`, this.call({ path }, options));
  }

  async exists(path: string, options: As = {}): Promise<boolean> {
    try {
      await this.stat(path, options);
      return true;
    } catch (error) {
      if (error instanceof MatrxError && error.code === "not_found") return false;
      throw error;
    }
  }

  remove(path: string, options: As & { recursive?: boolean } = {}): Promise<void> {
    return this.transport.done("DELETE", FILES, this.call({ path, recursive: options.recursive }, options));
  }

  makeFolder(path: string, { user, signal }: As = {}): Promise<FileEntry> {
    return this.transport.json("POST", `${FILES}/mkdir`, { ...this.call({}, { signal }), json: { path, user } });
  }

  move(from: string, to: string, { user, signal }: As = {}): Promise<FileEntry> {
    return this.transport.json("POST", `${FILES}/move`, { ...this.call({}, { signal }), json: { from, to, user } });
  }

  copy(from: string, to: string, { user, signal }: As = {}): Promise<FileEntry> {
    return this.transport.json("POST", `${FILES}/copy`, { ...this.call({}, { signal }), json: { from, to, user } });
  }

  // A folder as tar.
  async archive(path: string, options: As = {}): Promise<ReadableStream<Uint8Array>> {
    const answer = await this.transport.send("GET", `${FILES}/archive`, this.call({ path }, options));
    if (!answer.body) throw new MatrxError("The answer has no body.", "unreachable");
    return answer.body;
  }

  unpack(
    path: string,
    tar: Content,
    options: As & { gzip?: boolean } = {},
  ): Promise<{ entries: number; bytes: number }> {
    const headers = { "Content-Type": "application/x-tar", ...(options.gzip && { "Content-Encoding": "gzip" }) };
    const body = tar as BodyInit;
    return this.transport.json("PUT", `${FILES}/archive`, { ...this.call({ path }, options), body, headers });
  }

  // What changes in a folder, until the reader stops. `overflow`: some were lost, list it again.
  async *watch(path: string, options: As & { recursive?: boolean } = {}): AsyncGenerator<FileChange> {
    const call = this.call({ path, recursive: options.recursive }, options);
    const answer = await this.transport.send("GET", `${FILES}/watch`, call);
    if (!answer.body) throw new MatrxError("The answer has no body.", "unreachable");
    for await (const { type, data } of serverEvents(answer.body)) {
      if (type === "change") yield JSON.parse(data) as FileChange;
      else if (type === "overflow") yield { type: "overflow", name: "" };
      else if (type === "error") {
        const { detail, code } = JSON.parse(data) as { detail: string; code: string };
        throw new MatrxError(detail, code);
      }
    }
  }

  private call(query: Parameters, { user, signal }: As) {
    return { path: { sandbox_id: this.sandbox_id }, query: { ...query, user }, signal };
  }
}
