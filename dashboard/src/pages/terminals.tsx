// The terminals of a sandbox in tabs: those that run already, and new ones.
import { useEffect, useRef, useState } from "react";
import { api, data } from "../api/client";
import { isUsable, type Sandbox } from "../api/types";
import { TerminalView } from "../terminal/terminal";
import { Icon } from "../ui/icons";
import { Empty, Loading, sayError } from "../ui/kit";

type Tab = { key: number; terminalId?: string; title: string };
const ATTACHED_MAX = 6;

export function Terminals({ sandbox, shown }: { sandbox: Sandbox; shown: boolean }) {
  const id = sandbox.sandbox_id;
  const [tabs, setTabs] = useState<Tab[]>();
  const [active, setActive] = useState(0);
  const next = useRef(1);
  const usable = isUsable(sandbox) && !sandbox.paused_at;

  useEffect(() => {
    if (tabs || !usable || !shown) return undefined;
    let over = false;
    const begin = (ids: (string | undefined)[]) => {
      if (over) return;
      const made = ids.map((terminalId) => ({
        key: next.current++,
        title: "Terminal",
        ...(terminalId && { terminalId }),
      }));
      setTabs(made);
      setActive(made[0]?.key ?? 0);
    };
    data(api.GET("/sandboxes/{sandbox_id}/processes", { params: { path: { sandbox_id: id } } }))
      .then(({ processes }) => {
        const running = processes.filter((each) => each.tty && each.running).map((each) => each.process_id);
        begin(running.length > 0 ? running.slice(-ATTACHED_MAX) : [undefined]);
      })
      .catch(() => begin([undefined]));
    return () => {
      over = true;
    };
  }, [id, tabs, usable, shown]);

  const add = () => {
    const key = next.current++;
    setTabs([...(tabs ?? []), { key, title: "Terminal" }]);
    setActive(key);
  };
  const update = (key: number, part: Partial<Tab>) =>
    setTabs((all) => all?.map((tab) => (tab.key === key ? { ...tab, ...part } : tab)));
  const shut = async (tab: Tab) => {
    const rest = (tabs ?? []).filter((each) => each.key !== tab.key);
    setTabs(rest);
    if (active === tab.key) setActive(rest[rest.length - 1]?.key ?? 0);
    if (!tab.terminalId) return;
    const path = { sandbox_id: id, process_id: tab.terminalId };
    try {
      const { response } = await api.DELETE("/sandboxes/{sandbox_id}/processes/{process_id}", { params: { path } });
      if (response.status >= 500) sayError(new Error("The terminal's programs could not be ended; see Processes."));
    } catch (error) {
      sayError(error);
    }
  };

  if (!usable && !tabs) {
    return (
      <div className="card">
        <Empty icon="terminal" title="No terminal now">
          <p>
            {sandbox.paused_at ? "The sandbox is paused: resume it first." : "A terminal needs a sandbox that runs."}
          </p>
        </Empty>
      </div>
    );
  }
  if (!tabs)
    return (
      <div className="card">
        <Loading what="its terminals" />
      </div>
    );
  return (
    <section className="card terminal-card" aria-label="Terminals">
      <div className="terminal-tabs">
        {tabs.map((tab, index) => (
          <span key={tab.key} className="terminal-tab" data-active={tab.key === active || undefined}>
            <button type="button" className="cut" aria-pressed={tab.key === active} onClick={() => setActive(tab.key)}>
              {index + 1} {tab.title}
            </button>
            <button
              type="button"
              className="shut"
              aria-label={`End terminal ${index + 1}`}
              title="End this terminal"
              onClick={() => void shut(tab)}
            >
              ×
            </button>
          </span>
        ))}
        <span className="terminal-tab">
          <button type="button" onClick={add} aria-label="New terminal" title="New terminal" disabled={!usable}>
            + New
          </button>
        </span>
      </div>
      {tabs.length === 0 && (
        <div style={{ color: "#d5dde8" }}>
          <Empty icon="terminal" title="No terminal is open">
            <button type="button" className="button primary" onClick={add}>
              <Icon name="add" />
              New terminal
            </button>
          </Empty>
        </div>
      )}
      {tabs.map((tab) => (
        <TerminalView
          key={tab.key}
          sandboxId={id}
          active={shown && tab.key === active}
          {...(tab.terminalId && { terminalId: tab.terminalId })}
          onId={(terminalId) => tab.terminalId !== terminalId && update(tab.key, { terminalId })}
          onTitle={(title) => update(tab.key, { title: title || "Terminal" })}
        />
      ))}
    </section>
  );
}
