// One sandbox: what it is, and everything in it.
import * as RadixTabs from "@radix-ui/react-tabs";
import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useEffect, useRef, useState } from "react";
import { Link } from "../app";
import { ApiError } from "../api/client";
import { historyQuery, metricsQuery, sandboxQuery } from "../api/queries";
import type { Session } from "../api/session";
import { isLive, isUsable, type Sandbox } from "../api/types";
import { bytes, clock, duration, reasonSentence, statusWord } from "../lib/format";
import { detailPath, go, listPath } from "../router";
import { Chart } from "../ui/chart";
import { Age, Button, Empty, Loading, Menu, Problem, StatusBadge, TimeLeft, toneOf } from "../ui/kit";
import { addHour, copy, EndDialog, menuOf, nameOf, pause, type Ending } from "./actions";
import { Files } from "./files";
import { Processes } from "./processes";
import { Config, Logs, Ports } from "./inside";
import { Stored } from "./stored";

const Terminals = lazy(() => import("./terminals").then((page) => ({ default: page.Terminals })));

const TABS = [
  ["overview", "Overview"],
  ["terminal", "Terminal"],
  ["files", "Files"],
  ["processes", "Processes"],
  ["ports", "Ports"],
  ["logs", "Logs"],
  ["config", "Configuration"],
] as const;

export function DetailPage({ id, tab, session }: { id: string; tab: string; session: Session }) {
  const { data: sandbox, error, refetch } = useQuery(sandboxQuery(id));
  const [ending, setEnding] = useState<Ending>();
  const [opened, setOpened] = useState(tab === "terminal");
  useEffect(() => {
    if (tab === "terminal") setOpened(true);
  }, [tab]);
  // On a narrow screen the tabs scroll sideways: the open one shall be in sight.
  const tabs = useRef<HTMLDivElement>(null);
  const isThere = sandbox !== undefined;
  useEffect(() => {
    tabs.current?.querySelector('[data-state="active"]')?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [tab, isThere]);

  if (!sandbox) {
    if (error instanceof ApiError && error.status === 404) {
      return (
        <div className="card">
          <Empty icon="search" title="There is no such sandbox">
            <p>Its id may be mistyped, or it ended so long ago that its history has been forgotten.</p>
            <Button look="primary" onClick={() => go(listPath)}>
              See all sandboxes
            </Button>
          </Empty>
        </div>
      );
    }
    return (
      <div className="card">
        {error ? <Problem error={error} retry={() => void refetch()} /> : <Loading what="it" />}
      </div>
    );
  }
  const live = isLive(sandbox);
  const usable = isUsable(sandbox);
  const needsLife = (what: string) => (
    <div className="card">
      <Empty icon="box" title={`No ${what}`}>
        <p>The sandbox does not run.</p>
      </Empty>
    </div>
  );
  return (
    <>
      <title>{`${nameOf(sandbox)} · Matrx Sandbox`}</title>
      <div className="page-head">
        <div>
          <Link to={listPath} className="small">
            ← All sandboxes
          </Link>
          <div className="row">
            <h1 style={{ overflowWrap: "anywhere" }}>{nameOf(sandbox)}</h1>
            <StatusBadge sandbox={sandbox} />
          </div>
          <div className="row small muted">
            <span className="mono">{id}</span>
            <Button look="quiet icon tiny" icon="copy" aria-label="Copy the id" onClick={() => void copy(id)} />
            <span>of {sandbox.user_id}</span>
          </div>
        </div>
        {live && <TimeLeft sandbox={sandbox} />}
        {usable && (
          <div className="row">
            <Button icon="clock" onClick={() => void addHour([sandbox], session)}>
              +1 h
            </Button>
            <Button
              look="wide-only"
              icon={sandbox.paused_at ? "play" : "pause"}
              onClick={() => void pause(sandbox, !sandbox.paused_at)}
            >
              {sandbox.paused_at ? "Resume" : "Pause"}
            </Button>
            <Button look="wide-only" icon="stop" onClick={() => setEnding({ sandboxes: [sandbox], graceful: true })}>
              Stop…
            </Button>
            <Button look="danger" icon="trash" onClick={() => setEnding({ sandboxes: [sandbox], graceful: false })}>
              Destroy…
            </Button>
            <Menu label="More actions" items={menuOf(sandbox, session, setEnding)} />
          </div>
        )}
      </div>
      {!live && <Ended sandbox={sandbox} />}
      <RadixTabs.Root
        value={tab}
        onValueChange={(next) => go(detailPath(id, next))}
        activationMode="manual"
        style={{ display: "contents" }}
      >
        <RadixTabs.List ref={tabs} className="tabs" aria-label="What of it">
          {TABS.map(([value, word]) => (
            <RadixTabs.Trigger key={value} value={value} className="tab">
              {word}
            </RadixTabs.Trigger>
          ))}
        </RadixTabs.List>
        <RadixTabs.Content value="overview" className="tab-panel">
          <Overview sandbox={sandbox} />
        </RadixTabs.Content>
        {/* A terminal lives on while another tab is looked at. */}
        <RadixTabs.Content value="terminal" className="tab-panel" forceMount hidden={tab !== "terminal"} tabIndex={-1}>
          {opened && (
            <Suspense
              fallback={
                <div className="card">
                  <Loading what="the terminal" />
                </div>
              }
            >
              <Terminals sandbox={sandbox} shown={tab === "terminal"} />
            </Suspense>
          )}
        </RadixTabs.Content>
        <RadixTabs.Content value="files" className="tab-panel">
          {usable && !sandbox.paused_at ? <Files sandbox={sandbox} /> : <Stored user={sandbox.user_id} />}
        </RadixTabs.Content>
        <RadixTabs.Content value="processes" className="tab-panel">
          {usable ? <Processes sandboxId={id} /> : needsLife("processes")}
        </RadixTabs.Content>
        <RadixTabs.Content value="ports" className="tab-panel">
          {usable ? <Ports sandboxId={id} /> : needsLife("ports")}
        </RadixTabs.Content>
        <RadixTabs.Content value="logs" className="tab-panel">
          {usable ? <Logs sandboxId={id} /> : needsLife("logs")}
        </RadixTabs.Content>
        <RadixTabs.Content value="config" className="tab-panel">
          <Config sandbox={sandbox} />
        </RadixTabs.Content>
      </RadixTabs.Root>
      <EndDialog ending={ending} onClose={() => setEnding(undefined)} />
    </>
  );
}

const SAVED: Record<string, string> = {
  saved: "Home and large files are saved; the next sandbox of this user has them.",
  pending: "Its home is not saved completely yet; that goes on by itself.",
  none: "Nothing of it waits to be saved.",
};

function Ended({ sandbox }: { sandbox: Sandbox }) {
  const failed = sandbox.status === "failed";
  return (
    <div className={`notice ${failed ? "warn" : ""}`}>
      <strong>
        {statusWord(sandbox.status)}
        {sandbox.stopped_at ? ` ${clock(sandbox.stopped_at)}` : ""}.
      </strong>{" "}
      {sandbox.stop_reason ? reasonSentence(sandbox.stop_reason) : ""} {sandbox.status_detail ?? ""}{" "}
      {SAVED[sandbox.storage_state] ?? ""} {sandbox.storage_detail ?? ""}
    </div>
  );
}

function Overview({ sandbox }: { sandbox: Sandbox }) {
  const rows: [string, React.ReactNode][] = [
    ["Status", statusWord(sandbox.status)],
    ["User", sandbox.user_id],
    [
      "Created",
      <>
        {clock(sandbox.created_at)} (<Age iso={sandbox.created_at} /> ago)
      </>,
    ],
    [isLive(sandbox) ? "Ends" : "Would have ended", clock(sandbox.expires_at)],
    ...(sandbox.stopped_at ? [["Ended", clock(sandbox.stopped_at)] as [string, string]] : []),
    ...(sandbox.last_heartbeat_at
      ? [["Last sign of its agent", clock(sandbox.last_heartbeat_at)] as [string, string]]
      : []),
    ...(sandbox.idle_timeout_seconds
      ? [["Stops when idle for", duration(sandbox.idle_timeout_seconds)] as [string, string]]
      : []),
    ["Container", sandbox.container_id ? <code>{sandbox.container_id.slice(0, 12)}</code> : "none"],
    ["Template", sandbox.template],
    ["Resources", `${sandbox.resources.cpu} cores, ${bytes(sandbox.resources.memory_mb * 1024 ** 2)}`],
    ["Home", <code>{sandbox.hot_path}</code>],
    ["Large files", <code>{sandbox.cold_path}</code>],
    ["Storage", sandbox.storage_state],
  ];
  return (
    <div className="grid two">
      {isUsable(sandbox) && <Charts sandbox={sandbox} />}
      <section className="card">
        <div className="card-head">
          <h2>About it</h2>
        </div>
        <dl className="facts card-body">
          {rows.map(([name, value]) => (
            <div key={name} style={{ display: "contents" }}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
      </section>
      <History id={sandbox.sandbox_id} />
    </div>
  );
}

function History({ id }: { id: string }) {
  const { data, error, refetch } = useQuery(historyQuery(id));
  return (
    <section className="card">
      <div className="card-head">
        <h2>What has happened</h2>
      </div>
      {error && !data ? (
        <Problem error={error} retry={() => void refetch()} />
      ) : !data ? (
        <Loading what="its history" />
      ) : (
        <ol className="timeline card-body">
          {[...data.events].reverse().map((event) => (
            <li key={event.event_id} data-tone={toneOf(event.status)}>
              <div>
                <strong>{eventWord(event.type)}</strong>
                {eventWord(event.type) !== statusWord(event.status) && (
                  <span className="muted small"> {statusWord(event.status)}</span>
                )}
                <div className="small muted">
                  <time dateTime={event.at}>{clock(event.at)}</time> · {actorWord(event.actor)}
                </div>
                {event.detail && <div className="small">{event.detail}</div>}
              </div>
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}

function eventWord(type: string) {
  const words = type.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function actorWord(actor: string) {
  if (actor.startsWith("api:")) return `request ${actor.slice(4)}`;
  if (actor.startsWith("loop:")) return `the orchestrator (${actor.slice(5)})`;
  return actor === "agent" ? "its agent" : actor;
}

const LIVE_MS = 5000;

function Charts({ sandbox }: { sandbox: Sandbox }) {
  const { data } = useQuery(metricsQuery(sandbox.sandbox_id, LIVE_MS));
  const current = data?.current;
  const all = data ? [...data.series, ...(current ? [current] : [])] : [];
  const points = (value: (each: (typeof all)[number]) => number) =>
    all.map((each) => ({ at: Date.parse(each.at), value: value(each) }));
  const rates = (value: (each: (typeof all)[number]) => number) =>
    points(value).flatMap((point, index, list) => {
      const before = list[index - 1];
      if (!before || point.at <= before.at) return [];
      return [{ at: point.at, value: Math.max(0, ((point.value - before.value) * 1000) / (point.at - before.at)) }];
    });
  const received = rates((each) => each.received_bytes);
  const sent = rates((each) => each.sent_bytes);
  const rate = (value: number) => `${bytes(value)}/s`;
  const accent = "var(--accent)";
  return (
    <section className="wide charts" aria-label="What it uses">
      <Chart
        title="CPU"
        now={current ? `${current.cpu_percent.toFixed(0)} %` : "–"}
        format={(v) => `${Math.round(v)} %`}
        top={100 * sandbox.resources.cpu}
        lines={[{ name: "CPU", points: points((each) => each.cpu_percent), color: accent }]}
      />
      <Chart
        title="Memory"
        now={current ? bytes(current.memory_used_bytes) : "–"}
        format={bytes}
        top={current?.memory_total_bytes ?? 0}
        lines={[{ name: "Memory", points: points((each) => each.memory_used_bytes), color: accent }]}
      />
      <Chart
        title="Disk"
        now={current ? bytes(current.disk_used_bytes) : "–"}
        format={bytes}
        top={current?.disk_total_bytes ?? 0}
        lines={[{ name: "Disk", points: points((each) => each.disk_used_bytes), color: accent }]}
      />
      <Chart
        title="Network"
        now={rate((received.at(-1)?.value ?? 0) + (sent.at(-1)?.value ?? 0))}
        format={rate}
        lines={[
          { name: "in", points: received, color: accent },
          { name: "out", points: sent, color: "var(--good)" },
        ]}
      />
    </section>
  );
}
