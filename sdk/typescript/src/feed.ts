// One connection to the events for all who look at them; it is there while anybody does.
import type { Matrx } from "./client.js";

export type Liveness = "connecting" | "live" | "lost";

export interface Listener {
  liveness(state: Liveness): void;
  changed(sandbox_id: string | undefined): void; // none: any of them, read all again
}

const GATHER_MS = 100; // events of one moment become one round of reads

export class Feed {
  private static readonly feeds = new WeakMap<Matrx, Feed>();
  private readonly listeners = new Set<Listener>();
  private abort: AbortController | undefined;
  private state: Liveness = "connecting";

  static of(client: Matrx): Feed {
    const known = Feed.feeds.get(client) ?? new Feed(client);
    Feed.feeds.set(client, known);
    return known;
  }

  private constructor(private readonly client: Matrx) {}

  join(listener: Listener): () => void {
    this.listeners.add(listener);
    if (this.abort) listener.liveness(this.state);
    else void this.run((this.abort = new AbortController()));
    return () => {
      this.listeners.delete(listener);
      if (this.listeners.size > 0) return;
      this.abort?.abort();
      this.abort = undefined;
    };
  }

  private say(state: Liveness) {
    this.state = state;
    this.listeners.forEach((each) => each.liveness(state));
  }

  private async run(abort: AbortController) {
    const changed = new Set<string | undefined>();
    let gathering: ReturnType<typeof setTimeout> | undefined;
    const tell = () => {
      gathering = undefined;
      const ids = changed.has(undefined) ? [undefined] : [...changed];
      changed.clear();
      ids.forEach((id) => this.listeners.forEach((each) => each.changed(id)));
    };
    const note = (id: string | undefined) => {
      changed.add(id);
      gathering ??= setTimeout(tell, GATHER_MS);
    };
    this.say("connecting");
    let opened = false;
    try {
      const events = this.client.events({ signal: abort.signal, onLost: () => this.say("lost") });
      for await (const event of events) {
        if (abort.signal.aborted) break;
        if (event.type === "open") {
          this.say("live");
          if (opened) note(undefined); // what has happened meanwhile
          opened = true;
        } else note(event.type === "sandbox" ? event.event.sandbox_id : undefined);
      }
    } catch {
      if (!abort.signal.aborted) this.say("lost"); // refused: reads say why
    }
    clearTimeout(gathering);
    if (this.abort === abort) this.abort = undefined;
  }
}
