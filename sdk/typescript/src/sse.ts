// Server-sent events (WHATWG HTML §9.2) out of a stream of bytes.

export interface ServerEvent {
  type: string;
  data: string;
  id: string; // the last one that was told, where this event has none
}

// Ends where the stream ends; a stream that breaks throws. `onId`: also of what carries no data.
export async function* serverEvents(
  body: ReadableStream<Uint8Array>,
  onId: (id: string) => void = () => undefined,
): AsyncGenerator<ServerEvent> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  let id = "";
  let type = "";
  let data: string[] = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      rest += decoder.decode(value, { stream: true });
      let from = 0;
      for (;;) {
        const end = rest.indexOf("\n", from);
        if (end < 0) break;
        const line = rest.slice(from, rest[end - 1] === "\r" ? end - 1 : end);
        from = end + 1;
        if (line === "") {
          if (id) onId(id);
          if (data.length > 0) yield { type: type || "message", data: data.join("\n"), id };
          type = "";
          data = [];
          continue;
        }
        const colon = line.indexOf(":");
        const field = colon < 0 ? line : line.slice(0, colon);
        const content = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
        if (field === "event") type = content;
        else if (field === "data") data.push(content);
        else if (field === "id") id = content;
      }
      rest = rest.slice(from);
    }
  } finally {
    // Whoever stops reading ends the request.
    await reader.cancel().catch(() => undefined);
  }
}
