// Hooks for React: sandboxes that stay fresh by the events, and commands with their output.
import { useCallback, useEffect, useRef, useState } from "react";
import { MatrxError } from "./errors.js";
import { Feed, type Liveness } from "./feed.js";
import type { Matrx } from "./client.js";
import { hasEnded, type ExecRequest, type ListQuery, type SandboxInfo } from "./types.js";

const asError = (error: unknown) =>
  error instanceof MatrxError
    ? error
    : new MatrxError(error instanceof Error ? error.message : String(error), "internal");

export interface Loaded {
  error: MatrxError | undefined;
  loading: boolean; // nothing has been read yet
  live: Liveness; // "lost": what is shown may be old
  refresh: () => void;
}

// Newest first; `query` filters as the route does (user_id, status, label).
export function useSandboxes(client: Matrx, query: ListQuery = {}): Loaded & { sandboxes: SandboxInfo[] } {
  const [sandboxes, setSandboxes] = useState<SandboxInfo[]>();
  const { error, live, refresh } = useFresh(
    client,
    JSON.stringify(query),
    async (signal) => {
      const all: SandboxInfo[] = [];
      for await (const each of client.all(query, signal)) all.push(each);
      setSandboxes(all);
    },
    undefined,
  );
  return { sandboxes: sandboxes ?? [], error, loading: !sandboxes && !error, live, refresh };
}

export interface SandboxActions {
  extend: (seconds: number) => Promise<void>;
  pause: () => Promise<void>;
  resume: () => Promise<void>;
  destroy: (options?: { graceful?: boolean }) => Promise<void>;
}

export function useSandbox(client: Matrx, id: string): Loaded & SandboxActions & { sandbox: SandboxInfo | undefined } {
  const [sandbox, setSandbox] = useState<SandboxInfo>();
  const shown = sandbox?.sandbox_id === id ? sandbox : undefined;
  const { error, live, refresh } = useFresh(
    client,
    id,
    async (signal) => setSandbox((await client.get(id, signal)).info),
    id,
  );
  const box = client.sandbox(id);
  const then = (act: Promise<unknown>) => act.then(refresh);
  return {
    sandbox: shown,
    error,
    loading: !shown && !error,
    live,
    refresh,
    extend: (seconds) => then(box.extend(seconds)),
    pause: () => then(box.pause()),
    resume: () => then(box.resume()),
    destroy: (options) => then(box.destroy(options)),
  };
}

export interface Execution {
  run: (request: string | ExecRequest) => Promise<number | undefined>; // the exit code; none: it failed or was stopped
  stop: () => void; // kills it
  output: string; // what came on both channels, in order; the last OUTPUT_CHARS_MAX of it
  running: boolean;
  exitCode: number | undefined;
  error: MatrxError | undefined;
}

const OUTPUT_CHARS_MAX = 1_000_000;

// One command at a time, with its output as it comes. A component that goes lets it run on.
export function useExec(client: Matrx, id: string): Execution {
  const [output, setOutput] = useState("");
  const [running, setRunning] = useState(false);
  const [exitCode, setExitCode] = useState<number>();
  const [error, setError] = useState<MatrxError>();
  const current = useRef<{ abort: AbortController; process?: string }>(undefined);

  useEffect(() => () => current.current?.abort.abort(), [client, id]);

  const run = useCallback(
    async (request: string | ExecRequest) => {
      current.current?.abort.abort();
      const mine: { abort: AbortController; process?: string } = { abort: new AbortController() };
      current.current = mine;
      const isMine = () => current.current === mine && !mine.abort.signal.aborted;
      setOutput("");
      setExitCode(undefined);
      setError(undefined);
      setRunning(true);
      try {
        for await (const event of client.sandbox(id).stream(request, mine.abort.signal)) {
          if (!isMine()) return undefined;
          if (event.type === "start") mine.process = event.process_id;
          else if (event.type === "gap") setOutput((text) => `${text}\n[${event.to - event.from} bytes are lost]\n`);
          else if (event.type === "exit") {
            setExitCode(event.exit_code);
            return event.exit_code;
          } else setOutput((text) => (text + event.data).slice(-OUTPUT_CHARS_MAX));
        }
      } catch (problem) {
        if (isMine()) setError(asError(problem));
      } finally {
        if (current.current === mine) setRunning(false);
      }
      return undefined;
    },
    [client, id],
  );

  const stop = useCallback(() => {
    const process = current.current?.process;
    if (process)
      client
        .sandbox(id)
        .processes.kill(process)
        .catch((problem: unknown) => setError(asError(problem)));
  }, [client, id]);

  return { run, stop, output, running, exitCode, error };
}

// Reads at once, and again whenever something happens to `id` (or to any sandbox).
function useFresh(client: Matrx, key: string, read: (signal: AbortSignal) => Promise<void>, id: string | undefined) {
  const [error, setError] = useState<MatrxError>();
  const [live, setLive] = useState<Liveness>("connecting");
  const again = useRef<() => void>(() => undefined);
  const latest = useRef(read);
  latest.current = read;

  useEffect(() => {
    const abort = new AbortController();
    let reading = false;
    let stale = false;
    const load = async () => {
      if (reading) {
        stale = true; // once more when this one is done
        return;
      }
      reading = true;
      do {
        stale = false;
        try {
          await latest.current(abort.signal);
          if (!abort.signal.aborted) setError(undefined);
        } catch (problem) {
          if (!abort.signal.aborted) setError(asError(problem));
        }
      } while (stale && !abort.signal.aborted);
      reading = false;
    };
    again.current = () => void load();
    void load();
    const leave = Feed.of(client).join({
      liveness: setLive,
      changed: (sandbox) => {
        if (sandbox === undefined || id === undefined || sandbox === id) void load();
      },
    });
    return () => {
      abort.abort();
      leave();
    };
  }, [client, key, id]);

  const refresh = useCallback(() => again.current(), []);
  return { error, live, refresh };
}

export { hasEnded };
