// GET /events, followed for as long as the page is open: what changes is read again and shown.
import { useSyncExternalStore } from "react";
import { sessionLost } from "./session";
import { queryClient, refresh } from "./queries";

export type Liveness = "connecting" | "live" | "lost";

const GATHER_MS = 150; // events of one moment become one round of reads
const ONE_BY_ONE_MAX = 12; // beyond it the list is read as a whole
const RETRY_MIN_MS = 1000;
const RETRY_MAX_MS = 10_000;

let liveness: Liveness = "connecting";
const listeners = new Set<() => void>();

function say(next: Liveness) {
  if (next === liveness) return;
  liveness = next;
  listeners.forEach((listener) => listener());
}

export const useLiveness = () =>
  useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => liveness,
  );

const changed = new Set<string>();
let gathering: ReturnType<typeof setTimeout> | undefined;

function readChanged() {
  gathering = undefined;
  const ids = [...changed];
  changed.clear();
  if (ids.length > ONE_BY_ONE_MAX) void queryClient.invalidateQueries({ queryKey: ["sandboxes"] });
  else ids.forEach((id) => void refresh(id).catch(() => undefined));
  ids.forEach((id) => {
    void queryClient.invalidateQueries({ queryKey: ["history", id] });
    if (ids.length > ONE_BY_ONE_MAX) void queryClient.invalidateQueries({ queryKey: ["sandbox", id] });
  });
}

// Follows the events until the answer is called.
export function follow(): () => void {
  let source: EventSource | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let lastId = "";
  let delay = RETRY_MIN_MS;
  let stopped = false;
  let wasLost = false;

  const connect = () => {
    if (stopped) return;
    source = new EventSource(lastId ? `/events?last_event_id=${encodeURIComponent(lastId)}` : "/events");
    source.onopen = () => {
      delay = RETRY_MIN_MS;
      say("live");
      if (wasLost) void queryClient.invalidateQueries(); // what has happened meanwhile
      wasLost = false;
    };
    source.addEventListener("sandbox", (event) => {
      lastId = event.lastEventId || lastId;
      const { sandbox_id: id } = JSON.parse(event.data) as { sandbox_id: string };
      changed.add(id);
      gathering ??= setTimeout(readChanged, GATHER_MS);
    });
    source.addEventListener("reset", () => void queryClient.invalidateQueries());
    source.onerror = () => {
      wasLost = true;
      say("lost");
      if (source?.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
      sessionLost();
      timer = setTimeout(connect, delay);
      delay = Math.min(RETRY_MAX_MS, delay * 2);
    };
  };
  connect();
  return () => {
    stopped = true;
    clearTimeout(timer);
    source?.close();
    say("connecting");
  };
}
