// One terminal: xterm.js on a TerminalLink.
import { FitAddon } from "@xterm/addon-fit";
import { Terminal } from "@xterm/xterm";
import "@xterm/xterm/css/xterm.css";
import { useEffect, useRef, useState } from "react";
import { api } from "../api/client";
import { Button } from "../ui/kit";
import { TerminalLink, type LinkState, type Socket } from "./link";

const THEME = {
  background: "#0c1017",
  foreground: "#d5dde8",
  cursor: "#96a5ff",
  cursorAccent: "#0c1017",
  selectionBackground: "#3a4a75",
  black: "#2a3340",
  red: "#ff7b85",
  green: "#5fd394",
  yellow: "#f0b654",
  blue: "#8aa2ff",
  magenta: "#d29bff",
  cyan: "#5fd0e0",
  white: "#d5dde8",
  brightBlack: "#77849a",
  brightRed: "#ff9ba2",
  brightGreen: "#86e5b1",
  brightYellow: "#ffd182",
  brightBlue: "#b0c0ff",
  brightMagenta: "#e3beff",
  brightCyan: "#8fe6f2",
  brightWhite: "#ffffff",
};
const TITLE_CHARS_MAX = 60;
const NARROW_PIXELS = 640;

// Why a lost terminal does not come back; nothing: it may.
async function gone(sandboxId: string, terminalId: string | undefined): Promise<string | undefined> {
  try {
    const path = { sandbox_id: sandboxId };
    const { data: sandbox, response } = await api.GET("/sandboxes/{sandbox_id}", { params: { path } });
    if (response.status === 404) return "The sandbox is unknown.";
    if (!sandbox) return undefined;
    if (sandbox.status !== "ready" && sandbox.status !== "running") return "The sandbox has ended.";
    if (!terminalId) return sandbox.paused_at ? "The sandbox is paused. Resume it and open a new terminal." : undefined;
    const asked = await api.GET("/sandboxes/{sandbox_id}/processes/{process_id}", {
      params: { path: { ...path, process_id: terminalId } },
    });
    if (asked.response.status === 404) return "This terminal has ended.";
    return undefined;
  } catch {
    return undefined;
  }
}

type Props = {
  sandboxId: string;
  terminalId?: string;
  active: boolean;
  onId: (id: string) => void;
  onTitle: (title: string) => void;
};

export function TerminalView({ sandboxId, terminalId, active, onId, onTitle }: Props) {
  const host = useRef<HTMLDivElement>(null);
  const link = useRef<TerminalLink>(undefined);
  const screen = useRef<Terminal>(undefined);
  const [state, setState] = useState<LinkState>({ at: "connecting" });
  const [size, setSize] = useState("");
  const tell = useRef({ onId, onTitle });
  tell.current = { onId, onTitle };
  const first = useRef(terminalId);

  useEffect(() => {
    const element = host.current;
    if (!element) return undefined;
    const terminal = new Terminal({
      theme: THEME,
      fontFamily: getComputedStyle(element).getPropertyValue("--mono"),
      fontSize: window.innerWidth < NARROW_PIXELS ? 12 : 14,
      cursorBlink: true,
      scrollback: 10_000,
      allowProposedApi: false,
      macOptionIsMeta: true,
    });
    const fit = new FitAddon();
    terminal.loadAddon(fit);
    terminal.open(element);
    terminal.textarea?.setAttribute("aria-label", "Terminal input");
    const made = new TerminalLink(
      sandboxId,
      {
        open: (path) => new WebSocket(location.origin.replace(/^http/, "ws") + path) as unknown as Socket,
        show: (bytes) => terminal.write(bytes),
        say: (text) => terminal.write(`\r\n\x1b[2m[${text}]\x1b[0m\r\n`),
        changed: () => {
          setState(made.state);
          if (made.terminalId) tell.current.onId(made.terminalId);
          const { state: now } = made;
          terminal.options.disableStdin = now.at === "ended" || (now.at === "open" && !now.writer && !made.takingOver);
        },
        gone: (id) => gone(sandboxId, id),
        later: (act, ms) => setTimeout(act, ms),
      },
      first.current,
    );
    const refit = () => {
      if (element.offsetParent === null) return;
      fit.fit();
      setSize(`${terminal.cols} × ${terminal.rows}`);
      made.resize(terminal.cols, terminal.rows);
    };
    refit();
    terminal.onData((data) => made.input(data));
    terminal.onBinary((data) => made.inputBytes(data));
    terminal.onTitleChange((title) => tell.current.onTitle(title.slice(0, TITLE_CHARS_MAX)));
    // The way out for who uses no mouse, and copying where Ctrl-C already means something.
    terminal.attachCustomKeyEventHandler((event) => {
      if (event.type !== "keydown" || !event.ctrlKey || !event.shiftKey) return true;
      if (event.key === "Escape" || event.key === "F6") {
        document.querySelector<HTMLElement>(".terminal-tab[data-active] button")?.focus();
        return false;
      }
      if (event.code === "KeyC" && terminal.hasSelection()) {
        void navigator.clipboard?.writeText(terminal.getSelection());
        event.preventDefault();
        return false;
      }
      return true;
    });
    const watcher = new ResizeObserver(refit);
    watcher.observe(element);
    made.connect();
    link.current = made;
    screen.current = terminal;
    return () => {
      watcher.disconnect();
      made.close();
      terminal.dispose();
    };
  }, [sandboxId]);

  useEffect(() => {
    if (active) screen.current?.focus();
  }, [active]);

  const readOnly = state.at === "open" && !state.writer;
  const warn = readOnly || state.at === "waiting";
  return (
    <>
      <div className="terminal-area" hidden={!active}>
        <div className="terminal-host" ref={host} data-testid="terminal" />
      </div>
      {active && (
        <div className="terminal-foot" data-tone={warn ? "warn" : undefined} role="status">
          {state.at === "connecting" && <span>Connecting…</span>}
          {state.at === "waiting" && <span>The connection is lost. What it shows meanwhile is not: trying again…</span>}
          {state.at === "ended" && <span>{state.why}</span>}
          {readOnly && (
            <>
              <span>Somebody else has the keyboard of this terminal; you look on.</span>
              <Button
                look="tiny"
                onClick={() => {
                  link.current?.takeOver();
                  screen.current?.focus();
                }}
              >
                Take over
              </Button>
            </>
          )}
          {state.at === "open" && state.writer && <span>Connected</span>}
          <span className="grow" />
          <span className="wide-only">
            Copy <kbd>Ctrl Shift C</kbd> · paste <kbd>Ctrl Shift V</kbd> · leave <kbd>Ctrl Shift F6</kbd>
          </span>
          <span>{size}</span>
        </div>
      )}
    </>
  );
}
