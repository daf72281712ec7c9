// All sandboxes, live.
import { useQuery } from "@tanstack/react-query";
import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { memo, useDeferredValue, useLayoutEffect, useMemo, useRef, useState } from "react";
import { Link } from "../app";
import { metricsQuery, sandboxesQuery } from "../api/queries";
import type { Session } from "../api/session";
import { isLive, isUsable, type Sandbox, type Usage } from "../api/types";
import { bytes, statusWord } from "../lib/format";
import { detailPath, go } from "../router";
import { Sparkline } from "../ui/chart";
import { Age, Button, Empty, Loading, Menu, Problem, StatusBadge, TimeLeft } from "../ui/kit";
import { addHour, EndDialog, menuOf, nameOf, type Ending } from "./actions";
import { CreateDialog } from "./create-dialog";

type Filter = { group: "live" | "ended" | "all"; status: string; user: string; text: string };

export function matches(sandbox: Sandbox, { group, status, user, text }: Filter) {
  if (group !== "all" && isLive(sandbox) !== (group === "live")) return false;
  if (status && sandbox.status !== status) return false;
  if (user && sandbox.user_id !== user) return false;
  if (!text) return true;
  const labels = Object.entries(sandbox.labels ?? {}).flat();
  const words = [sandbox.sandbox_id, sandbox.name ?? "", sandbox.user_id, sandbox.status, ...labels];
  return words.some((word) => word.toLowerCase().includes(text.toLowerCase()));
}

export function ListPage({ session }: { session: Session }) {
  const { data: all, error, refetch } = useQuery(sandboxesQuery);
  const [filter, setFilter] = useState<Filter>({ group: "live", status: "", user: "", text: "" });
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [creating, setCreating] = useState(false);
  const [ending, setEnding] = useState<Ending>();
  const later = useDeferredValue(filter);
  const shown = useMemo(() => (all ?? []).filter((each) => matches(each, later)), [all, later]);
  const users = useMemo(() => [...new Set((all ?? []).map((each) => each.user_id))].sort(), [all]);
  const live = useMemo(() => (all ?? []).filter(isLive).length, [all]);
  const selected = useMemo(() => shown.filter((each) => chosen.has(each.sandbox_id) && isLive(each)), [shown, chosen]);
  const change = (part: Partial<Filter>) => setFilter({ ...filter, ...part });
  const choose = useMemo(
    () => (id: string, on: boolean) =>
      setChosen((before) => {
        const next = new Set(before);
        if (on) next.add(id);
        else next.delete(id);
        return next;
      }),
    [],
  );
  const groups = [
    ["live", `Live ${live}`],
    ["ended", `Ended ${(all?.length ?? 0) - live}`],
    ["all", "All"],
  ] as const;

  return (
    <>
      <title>Sandboxes · Matrx Sandbox</title>
      <div className="page-head">
        <div>
          <h1>Sandboxes</h1>
          <p className="muted">{all ? `${live} live, ${all.length - live} in the history` : "…"}</p>
        </div>
        <Button look="primary" icon="add" onClick={() => setCreating(true)}>
          New sandbox
        </Button>
      </div>
      <div className="filters" role="search">
        <div className="chips" role="group" aria-label="Which">
          {groups.map(([group, word]) => (
            <button
              key={group}
              type="button"
              className="chip"
              aria-pressed={filter.group === group}
              onClick={() => change({ group, status: "" })}
            >
              {word}
            </button>
          ))}
        </div>
        <input
          className="input"
          type="search"
          placeholder="Search id, name, user, label"
          aria-label="Search"
          value={filter.text}
          onChange={(event) => change({ text: event.target.value })}
        />
        <select
          className="select"
          aria-label="Status"
          value={filter.status}
          onChange={(event) => change({ status: event.target.value, group: event.target.value ? "all" : filter.group })}
        >
          <option value="">Any status</option>
          {["creating", "starting", "ready", "running", "shutting_down", "stopped", "failed", "expired"].map(
            (status) => (
              <option key={status} value={status}>
                {statusWord(status)}
              </option>
            ),
          )}
        </select>
        <select
          className="select"
          aria-label="User"
          value={filter.user}
          onChange={(event) => change({ user: event.target.value })}
        >
          <option value="">Any user</option>
          {users.map((user) => (
            <option key={user}>{user}</option>
          ))}
        </select>
      </div>
      <div className="card list">
        {error && !all ? (
          <Problem error={error} retry={() => void refetch()} />
        ) : !all ? (
          <Loading what="the sandboxes" />
        ) : shown.length > 0 ? (
          <Rows rows={shown} chosen={chosen} choose={choose} session={session} end={setEnding} />
        ) : all.length === 0 || (live === 0 && filter.group === "live" && !filter.text && !filter.user) ? (
          <Empty icon="box" title={all.length === 0 ? "No sandbox yet" : "No sandbox is live"}>
            <p>
              A sandbox is a computer of its own for an agent: a terminal, files, ports. Create one and look inside.
            </p>
            <Button look="primary" icon="add" onClick={() => setCreating(true)}>
              Create a sandbox
            </Button>
          </Empty>
        ) : (
          <Empty icon="search" title="Nothing matches">
            <Button onClick={() => setFilter({ group: "all", status: "", user: "", text: "" })}>Show all</Button>
          </Empty>
        )}
      </div>
      {selected.length > 0 && (
        <div className="selection" role="region" aria-label="Selected sandboxes">
          <strong>{selected.length} selected</strong>
          <Button look="tiny" icon="clock" onClick={() => void addHour(selected.filter(isUsable), session)}>
            1 h more
          </Button>
          <Button look="tiny" icon="stop" onClick={() => setEnding({ sandboxes: selected, graceful: true })}>
            Stop…
          </Button>
          <Button look="tiny danger" icon="trash" onClick={() => setEnding({ sandboxes: selected, graceful: false })}>
            Destroy…
          </Button>
          <Button look="tiny quiet" onClick={() => setChosen(new Set())}>
            Clear
          </Button>
        </div>
      )}
      <CreateDialog
        session={session}
        open={creating}
        user={filter.user || "me"}
        onClose={() => setCreating(false)}
        onMade={(sandbox) => {
          setCreating(false);
          go(detailPath(sandbox.sandbox_id));
        }}
      />
      <EndDialog ending={ending} onClose={() => setEnding(undefined)} />
    </>
  );
}

type RowsProps = {
  rows: Sandbox[];
  chosen: ReadonlySet<string>;
  choose: (id: string, on: boolean) => void;
  session: Session;
  end: (ending: Ending) => void;
};

const ROW_PIXELS = 62;

// Only what is in sight is in the document: a thousand rows cost what twenty do.
function Rows({ rows, chosen, choose, session, end }: RowsProps) {
  const body = useRef<HTMLDivElement>(null);
  const [margin, setMargin] = useState(0);
  useLayoutEffect(() => {
    const measure = () => setMargin((body.current?.getBoundingClientRect().top ?? 0) + window.scrollY);
    measure();
    const watcher = new ResizeObserver(measure);
    watcher.observe(document.body);
    return () => watcher.disconnect();
  }, []);
  const virtual = useWindowVirtualizer({
    count: rows.length,
    estimateSize: () => ROW_PIXELS,
    overscan: 8,
    scrollMargin: margin,
    getItemKey: (index) => rows[index]?.sandbox_id ?? index,
  });
  const live = rows.filter(isLive);
  const all = live.length > 0 && live.every((row) => chosen.has(row.sandbox_id));
  return (
    <div role="table" aria-label="Sandboxes" aria-rowcount={rows.length + 1}>
      <div role="rowgroup">
        <div className="list-row head" role="row" aria-rowindex={1}>
          <span role="columnheader">
            <input
              type="checkbox"
              className="check"
              aria-label="Select all live ones"
              checked={all}
              onChange={() => live.forEach((row) => choose(row.sandbox_id, !all))}
            />
          </span>
          <span role="columnheader">Sandbox</span>
          <span role="columnheader">User</span>
          <span role="columnheader">Status</span>
          <span role="columnheader" className="opt">
            Age
          </span>
          <span role="columnheader">Time left</span>
          <span role="columnheader">CPU</span>
          <span role="columnheader" className="opt">
            Memory
          </span>
          <span role="columnheader" className="opt">
            Template
          </span>
          <span role="columnheader">
            <span className="hidden-text">Actions</span>
          </span>
        </div>
      </div>
      <div role="rowgroup" className="list-body" ref={body} style={{ height: virtual.getTotalSize() }}>
        {virtual.getVirtualItems().map((item) => {
          const row = rows[item.index];
          if (!row) return null;
          return (
            <div
              key={item.key}
              ref={virtual.measureElement}
              data-index={item.index}
              className="list-row"
              role="row"
              aria-rowindex={item.index + 2}
              aria-selected={chosen.has(row.sandbox_id)}
              style={{ transform: `translateY(${item.start - margin}px)` }}
            >
              <Row sandbox={row} chosen={chosen.has(row.sandbox_id)} choose={choose} session={session} end={end} />
            </div>
          );
        })}
      </div>
    </div>
  );
}

type RowProps = Omit<RowsProps, "rows" | "chosen"> & { sandbox: Sandbox; chosen: boolean };

const Row = memo(function Row({ sandbox, chosen, choose, session, end }: RowProps) {
  const id = sandbox.sandbox_id;
  const usable = isUsable(sandbox);
  const { data } = useQuery(metricsQuery(id, 15_000, usable));
  const line = (value: (usage: Usage) => number) =>
    usable ? (data?.series ?? []).map((each) => ({ at: Date.parse(each.at), value: value(each) })) : [];
  const now = data?.current;
  return (
    <>
      <span role="cell" className="cell-check">
        <input
          type="checkbox"
          className="check"
          aria-label={`Select ${nameOf(sandbox)}`}
          checked={chosen}
          disabled={!isLive(sandbox)}
          onChange={(event) => choose(id, event.target.checked)}
        />
      </span>
      <span role="cell" className="list-name cell-name">
        <Link to={detailPath(id)} className="cut">
          {nameOf(sandbox)}
        </Link>
        <span className="mono cut">{sandbox.name ? id : sandbox.user_id}</span>
      </span>
      <span role="cell" className="cut cell-user">
        {sandbox.user_id}
      </span>
      <span role="cell" className="cell-status">
        <StatusBadge sandbox={sandbox} />
      </span>
      <span role="cell" className="opt nowrap">
        <Age iso={sandbox.created_at} />
      </span>
      <span role="cell" className="cell-left">
        <TimeLeft sandbox={sandbox} />
      </span>
      <span role="cell" className="cell-cpu">
        <Sparkline
          points={line((each) => each.cpu_percent)}
          top={100 * sandbox.resources.cpu}
          label={now ? `CPU ${Math.round(now.cpu_percent)} %` : "No CPU measurements"}
        />
      </span>
      <span role="cell" className="opt">
        <Sparkline
          points={line((each) => each.memory_used_bytes)}
          top={sandbox.resources.memory_mb * 1024 ** 2}
          label={now ? `Memory ${bytes(now.memory_used_bytes)}` : "No memory measurements"}
        />
      </span>
      <span role="cell" className="opt cut">
        {sandbox.template}
      </span>
      <span role="cell" className="cell-menu">
        <Menu label={`Actions for ${nameOf(sandbox)}`} items={menuOf(sandbox, session, end)} />
      </span>
    </>
  );
});
