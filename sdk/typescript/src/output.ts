// The output of a process as it comes; a connection that breaks is made again at the offset where it broke.
import { MatrxError } from "./errors.js";
import { serverEvents } from "./sse.js";
import { Backoff, type Transport } from "./transport.js";
import type { OutputEvent } from "./types.js";

const TRIES_MAX = 10; // one after the other without a byte in between

export interface Follow {
  since?: number;
  signal?: AbortSignal;
}

function decoded(type: string, data: string): OutputEvent {
  const content = JSON.parse(data) as Record<string, unknown>;
  if (type === "error") throw new MatrxError(String(content.detail), String(content.code));
  return { type, ...content } as OutputEvent;
}

// `first`: an answer that has begun already, that of exec/stream.
export async function* follow(
  transport: Transport,
  sandbox_id: string,
  process_id: string | undefined,
  { since = 0, signal }: Follow,
  first?: Response,
): AsyncGenerator<OutputEvent> {
  const backoff = new Backoff();
  let answer = first;
  let offset = since;
  let id = process_id;
  for (let tries = 0; ;) {
    try {
      answer ??= await transport.send("GET", "/sandboxes/{sandbox_id}/processes/{process_id}/output", {
        path: { sandbox_id, process_id: id ?? "" },
        query: { since: offset, follow: true },
        signal,
      });
      if (!answer.body) throw new MatrxError("The answer has no body.", "unreachable");
      for await (const { type, data, id: at } of serverEvents(answer.body)) {
        const event = decoded(type, data);
        tries = 0;
        backoff.reset();
        if (event.type === "start") id = event.process_id;
        else if (at) offset = Number(at);
        yield event;
        if (event.type === "exit") return;
      }
      throw new MatrxError("The connection ended before the process did.", "unreachable");
    } catch (error) {
      if (signal?.aborted) throw error;
      const known = error instanceof MatrxError;
      // What breaks while it is read is no MatrxError; bugs of the reader do not come by here.
      const temporary = known ? error.isTemporary : error instanceof TypeError || isAbort(error);
      tries += 1;
      if (!temporary || !id || tries > TRIES_MAX) throw error;
      answer = undefined;
      await backoff.wait(signal, known ? error.retryAfterSeconds : 0);
    }
  }
}

const isAbort = (error: unknown) =>
  error instanceof Error && (error.name === "AbortError" || "code" in error || "cause" in error);
