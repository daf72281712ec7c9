// What runs in a sandbox, started over the API: signals, and the output of each.
import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef, useState, type FormEvent } from "react";
import { api, data } from "../api/client";
import { processesQuery, queryClient } from "../api/queries";
import type { Process } from "../api/types";
import { bytes } from "../lib/format";
import { Age, Button, Dialog, Empty, Loading, Menu, Problem, sayError } from "../ui/kit";

const SIGNALS = [
  ["Interrupt (Ctrl-C)", "INT"],
  ["Ask to end (TERM)", "TERM"],
  ["Hang up (HUP)", "HUP"],
] as const;
const OUTPUT_CHARS_MAX = 400_000;

export function Processes({ sandboxId }: { sandboxId: string }) {
  const { data: answer, error, refetch } = useQuery(processesQuery(sandboxId));
  const [shown, setShown] = useState<string>();
  const [killing, setKilling] = useState<Process>();
  const [starting, setStarting] = useState(false);
  const path = (process: Process) => ({ sandbox_id: sandboxId, process_id: process.process_id });
  const again = () => queryClient.invalidateQueries({ queryKey: ["processes", sandboxId] });

  const signal = async (process: Process, name: string) => {
    try {
      await data(
        api.POST("/sandboxes/{sandbox_id}/processes/{process_id}/signal", {
          params: { path: path(process) },
          body: { signal: name } as never,
        }),
      );
      await again();
    } catch (problem) {
      sayError(problem);
    }
  };
  const kill = async () => {
    if (!killing) return;
    try {
      await data(api.DELETE("/sandboxes/{sandbox_id}/processes/{process_id}", { params: { path: path(killing) } }));
    } catch (problem) {
      sayError(problem);
    }
    setKilling(undefined);
    await again();
  };
  const start = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const command = String(new FormData(event.currentTarget).get("command") ?? "");
    try {
      const params = { path: { sandbox_id: sandboxId } };
      const made = await data(api.POST("/sandboxes/{sandbox_id}/processes", { params, body: { command } }));
      setStarting(false);
      setShown(made.process_id);
      await again();
    } catch (problem) {
      sayError(problem);
    }
  };

  return (
    <div className="grid">
      <section className="card wide" aria-label="Processes">
        <div className="card-head">
          <h2>Processes</h2>
          <Button look="tiny" icon="add" onClick={() => setStarting(true)}>
            Run in the background
          </Button>
        </div>
        {error && !answer ? (
          <Problem error={error} retry={() => void refetch()} />
        ) : !answer ? (
          <Loading what="the processes" />
        ) : answer.processes.length === 0 ? (
          <Empty icon="terminal" title="Nothing runs here">
            <p>
              Programs started over the API, or in a terminal, show here; what they start themselves is in their tree.
            </p>
          </Empty>
        ) : (
          <div className="scroll">
            <table className="table">
              <thead>
                <tr>
                  <th scope="col">Command</th>
                  <th scope="col" className="number narrow-hide">
                    Pid
                  </th>
                  <th scope="col">State</th>
                  <th scope="col" className="narrow-hide">
                    Since
                  </th>
                  <th scope="col" className="number narrow-hide">
                    Output
                  </th>
                  <th scope="col" className="end">
                    <span className="hidden-text">Actions</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {[...answer.processes].reverse().map((process) => (
                  <tr key={process.process_id} data-open={shown === process.process_id || undefined}>
                    <td>
                      <button type="button" className="entry mono" onClick={() => setShown(process.process_id)}>
                        {process.tty ? "terminal" : process.command}
                      </button>
                    </td>
                    <td className="number narrow-hide">{process.pid}</td>
                    <td>
                      <span className="badge" data-tone={process.running ? "good" : process.exit_code ? "bad" : ""}>
                        {process.running
                          ? "Running"
                          : process.timed_out
                            ? "Timed out"
                            : `Ended with ${process.exit_code}`}
                      </span>
                    </td>
                    <td className="narrow-hide nowrap muted">
                      {process.started_at && <Age iso={process.started_at} />}
                    </td>
                    <td className="number narrow-hide">{bytes(process.output_end)}</td>
                    <td className="end">
                      <Menu
                        label={`Actions for process ${process.pid}`}
                        items={[
                          { label: "Show output", icon: "terminal", act: () => setShown(process.process_id) },
                          ...SIGNALS.map(([label, name]) => ({
                            label,
                            icon: "stop" as const,
                            disabled: !process.running,
                            act: () => void signal(process, name),
                          })),
                          "line",
                          {
                            label: "Kill with all it started…",
                            icon: "trash",
                            danger: true,
                            disabled: !process.running,
                            act: () => setKilling(process),
                          },
                        ]}
                      />
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </section>
      {shown && <Output key={shown} sandboxId={sandboxId} processId={shown} onClose={() => setShown(undefined)} />}
      <Dialog
        open={killing !== undefined}
        title={`Kill process ${killing?.pid ?? ""}?`}
        onClose={() => setKilling(undefined)}
        about={
          <>
            <code>{killing?.command}</code> and all that it has started end at once.
          </>
        }
      >
        <div className="dialog-end">
          <Button onClick={() => setKilling(undefined)}>Keep</Button>
          <Button look="danger primary" onClick={() => void kill()}>
            Kill process {killing?.pid}
          </Button>
        </div>
      </Dialog>
      <Dialog
        open={starting}
        title="Run in the background"
        onClose={() => setStarting(false)}
        about="It outlives this page; its output is kept."
      >
        <form onSubmit={(event) => void start(event)} style={{ display: "contents" }}>
          <div className="field">
            <label htmlFor="command">Command</label>
            <input
              id="command"
              name="command"
              className="input mono"
              required
              autoFocus
              spellCheck={false}
              autoComplete="off"
              placeholder="python3 -m http.server 8080"
            />
          </div>
          <div className="dialog-end">
            <Button onClick={() => setStarting(false)}>Cancel</Button>
            <Button look="primary" type="submit">
              Run
            </Button>
          </div>
        </form>
      </Dialog>
    </div>
  );
}

type Piece = { data?: string; offset?: number; from?: number; to?: number; exit_code?: number; detail?: string };
// What colours and moves a terminal's text is nothing to read here.
const plain = (text: string) =>
  text.replace(
    /\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[()][A-Z0-9]|[\x00-\x08\x0b-\x1f\x7f]/g,
    "",
  );

function Output({ sandboxId, processId, onClose }: { sandboxId: string; processId: string; onClose: () => void }) {
  const [text, setText] = useState("");
  const [state, setState] = useState("following");
  const box = useRef<HTMLPreElement>(null);
  const stick = useRef(true);
  useEffect(() => {
    const at = `/sandboxes/${encodeURIComponent(sandboxId)}/processes/${encodeURIComponent(processId)}/output`;
    const source = new EventSource(`${at}?follow=true`);
    const add = (more: string) => setText((before) => (before + more).slice(-OUTPUT_CHARS_MAX));
    const on = (name: string, act: (piece: Piece) => void) =>
      source.addEventListener(name, (event) => {
        if (event instanceof MessageEvent && typeof event.data === "string") act(JSON.parse(event.data) as Piece);
      });
    for (const name of ["stdout", "stderr", "terminal"]) on(name, (piece) => add(plain(piece.data ?? "")));
    on("gap", (piece) => add(`\n[${(piece.to ?? 0) - (piece.from ?? 0)} bytes are no longer kept]\n`));
    on("exit", (piece) => {
      setState(`ended with ${piece.exit_code ?? "?"}`);
      source.close();
    });
    source.onopen = () => setState("following");
    source.onerror = (event) => {
      if (event instanceof MessageEvent) return;
      setState(source.readyState === EventSource.CLOSED ? "not there any more" : "connection lost, trying again");
    };
    return () => source.close();
  }, [sandboxId, processId]);
  useEffect(() => {
    if (stick.current && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [text]);
  return (
    <section className="card wide" aria-label="Output">
      <div className="card-head">
        <h2>
          Output of <span className="mono">{processId}</span>
        </h2>
        <span className="muted small" role="status">
          {state}
        </span>
        <Button look="tiny quiet icon" icon="close" aria-label="Close the output" onClick={onClose} />
      </div>
      <pre
        className="output"
        ref={box}
        tabIndex={0}
        aria-label="Output text"
        onScroll={(event) => {
          const { scrollTop, scrollHeight, clientHeight } = event.currentTarget;
          stick.current = scrollHeight - scrollTop - clientHeight < 40;
        }}
      >
        {text || "It has written nothing yet."}
      </pre>
    </section>
  );
}
