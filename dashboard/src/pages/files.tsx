// The files of a sandbox that runs: a tree, with what can be done to each entry.
import { useQuery } from "@tanstack/react-query";
import { useRef, useState, type DragEvent, type FormEvent } from "react";
import { api, data } from "../api/client";
import { filesQuery, queryClient } from "../api/queries";
import type { FileEntry, Sandbox } from "../api/types";
import { baseName, bytes, clock, join, parentOf } from "../lib/format";
import { Icon } from "../ui/icons";
import { Button, Dialog, Empty, Loading, Menu, Problem, sayError, toast, type MenuItem } from "../ui/kit";
import { FileView } from "./file-view";
import { useUploads } from "./uploads";

export const fileUrl = (id: string, path: string, part: "" | "/archive" = "") =>
  `/sandboxes/${encodeURIComponent(id)}/files${part}?path=${encodeURIComponent(path)}`;

export const refreshFolder = (id: string, path: string) =>
  queryClient.invalidateQueries({ queryKey: ["files", id, path] });

type Asking =
  | { what: "rename"; entry: FileEntry }
  | { what: "delete"; entry: FileEntry }
  | { what: "folder"; path: string }
  | { what: "file"; path: string };

export function Files({ sandbox }: { sandbox: Sandbox }) {
  const id = sandbox.sandbox_id;
  const [folder, setFolder] = useState(sandbox.hot_path);
  const [opened, setOpened] = useState<ReadonlySet<string>>(new Set());
  const [viewed, setViewed] = useState<FileEntry>();
  const [asking, setAsking] = useState<Asking>();
  const [over, setOver] = useState(false);
  const picker = useRef<HTMLInputElement>(null);
  const { list: uploads, add: upload, view: uploadView } = useUploads(id);

  const toggle = (path: string) =>
    setOpened((before) => {
      const next = new Set(before);
      if (!next.delete(path)) next.add(path);
      return next;
    });
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    upload(folder, [...event.dataTransfer.files]);
  };
  const places: [string, string][] = [
    ["Home", sandbox.hot_path],
    ["Large files", sandbox.cold_path],
    ["Everything", "/"],
  ];

  return (
    <div className={`files ${viewed ? "two" : ""}`}>
      <section
        className="card drop"
        data-over={over || undefined}
        aria-label="Files"
        onDrop={drop}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={(event) => event.currentTarget.contains(event.relatedTarget as Node) || setOver(false)}
      >
        <div className="card-head">
          <div className="chips" role="group" aria-label="Place">
            {places.map(([word, path]) => (
              <button
                key={path}
                type="button"
                className="chip"
                aria-pressed={folder === path}
                onClick={() => setFolder(path)}
              >
                {word}
              </button>
            ))}
          </div>
          <span className="grow" />
          <Button look="tiny" icon="upload" onClick={() => picker.current?.click()}>
            Upload
          </Button>
          <input
            ref={picker}
            type="file"
            multiple
            hidden
            aria-label="Files to upload"
            onChange={(event) => {
              upload(folder, [...(event.target.files ?? [])]);
              event.target.value = "";
            }}
          />
        </div>
        <div className="row" style={{ padding: "0.35rem 0.8rem" }}>
          <Crumbs path={folder} go={setFolder} />
          <Button look="tiny quiet" icon="file" onClick={() => setAsking({ what: "file", path: folder })}>
            New file
          </Button>
          <Button look="tiny quiet" icon="folder" onClick={() => setAsking({ what: "folder", path: folder })}>
            New folder
          </Button>
          <a
            className="button quiet tiny"
            href={fileUrl(id, folder, "/archive")}
            download={`${baseName(folder) || "root"}.tar`}
          >
            <Icon name="download" />
            As archive
          </a>
        </div>
        <div className="scroll">
          <table className="table">
            <thead>
              <tr>
                <th scope="col">Name</th>
                <th scope="col" className="number">
                  Size
                </th>
                <th scope="col" className="narrow-hide">
                  Changed
                </th>
                <th scope="col" className="narrow-hide">
                  Rights
                </th>
                <th scope="col" className="end">
                  <span className="hidden-text">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              <Branch
                id={id}
                path={folder}
                depth={0}
                opened={opened}
                toggle={toggle}
                enter={setFolder}
                viewed={viewed?.path}
                view={setViewed}
                ask={setAsking}
              />
            </tbody>
          </table>
        </div>
        {uploads.length > 0 && uploadView}
      </section>
      {viewed && <FileView key={viewed.path} id={id} entry={viewed} onClose={() => setViewed(undefined)} />}
      <AskDialog
        id={id}
        asking={asking}
        onClose={() => setAsking(undefined)}
        onGone={(path) => {
          if (viewed && (viewed.path === path || viewed.path.startsWith(`${path}/`))) setViewed(undefined);
        }}
      />
    </div>
  );
}

export function Crumbs({ path, go, top = "/" }: { path: string; go: (path: string) => void; top?: string }) {
  const parts = path.split("/").filter(Boolean);
  const at = (index: number) => (top === "/" ? "/" : "") + parts.slice(0, index + 1).join("/");
  return (
    <nav className="crumbs" aria-label="Folder">
      <button type="button" onClick={() => go(top === "/" ? "/" : "")} aria-current={parts.length === 0 || undefined}>
        {top}
      </button>
      {parts.map((part, index) => (
        <span key={index} className="row" style={{ gap: 0 }}>
          {index > 0 && (
            <span className="muted" aria-hidden="true">
              /
            </span>
          )}
          <button
            type="button"
            className="cut"
            onClick={() => go(at(index))}
            aria-current={index === parts.length - 1 || undefined}
          >
            {part}
          </button>
        </span>
      ))}
    </nav>
  );
}

type BranchProps = {
  id: string;
  path: string;
  depth: number;
  opened: ReadonlySet<string>;
  toggle: (path: string) => void;
  enter: (path: string) => void;
  viewed: string | undefined;
  view: (entry: FileEntry) => void;
  ask: (asking: Asking) => void;
};

const byKindAndName = (a: FileEntry, b: FileEntry) =>
  Number(b.type === "folder") - Number(a.type === "folder") || a.name.localeCompare(b.name);

function Branch(props: BranchProps) {
  const { id, path, depth, opened, toggle, enter, viewed, view, ask } = props;
  const { data: listing, error, refetch } = useQuery({ ...filesQuery(id, path), refetchInterval: 5000 });
  const whole = (node: React.ReactNode) => (
    <tr>
      <td colSpan={5} style={{ padding: 0 }}>
        {node}
      </td>
    </tr>
  );
  if (error && !listing) return whole(<Problem error={error} retry={() => void refetch()} />);
  if (!listing) return whole(<Loading what="the folder" />);
  if (listing.entries.length === 0) {
    if (depth > 0) {
      return (
        <tr>
          <td colSpan={5} className="muted small" style={{ paddingLeft: `${1 + depth * 1.6}rem` }}>
            empty
          </td>
        </tr>
      );
    }
    return whole(
      <Empty icon="folder" title="This folder is empty">
        <p>Drop files here, or write some in the terminal.</p>
      </Empty>,
    );
  }
  return [...listing.entries].sort(byKindAndName).map((entry) => {
    const isFolder = entry.type === "folder";
    const isOpen = opened.has(entry.path);
    return [
      <tr key={entry.path} data-open={viewed === entry.path || undefined}>
        <td style={{ paddingLeft: `${0.8 + depth * 1.6}rem` }}>
          <span className="row" style={{ gap: 0, flexWrap: "nowrap" }}>
            {isFolder ? (
              <button
                type="button"
                className="button quiet icon tiny"
                aria-expanded={isOpen}
                onClick={() => toggle(entry.path)}
                aria-label={`${isOpen ? "Close" : "Open"} ${entry.name} here`}
              >
                <span aria-hidden="true">{isOpen ? "▾" : "▸"}</span>
              </button>
            ) : (
              <span style={{ width: "1.9rem", flex: "none" }} />
            )}
            <button
              type="button"
              className="entry"
              data-kind={entry.type}
              onClick={() => (isFolder ? enter(entry.path) : view(entry))}
            >
              <Icon name={entry.target ? "link" : isFolder ? "folder" : "file"} />
              <span>
                {entry.name}
                {entry.target && <span className="muted small"> → {entry.target}</span>}
              </span>
            </button>
          </span>
        </td>
        <td className="number">{isFolder ? "" : bytes(entry.size)}</td>
        <td className="narrow-hide nowrap muted">{clock(entry.modified_at)}</td>
        <td className="narrow-hide mono muted">{entry.permissions}</td>
        <td className="end">
          <Menu label={`Actions for ${entry.name}`} items={itemsOf(id, entry, view, enter, ask)} />
        </td>
      </tr>,
      isFolder && isOpen && <Branch key={`${entry.path}/`} {...props} path={entry.path} depth={depth + 1} />,
    ];
  });
}

function itemsOf(
  id: string,
  entry: FileEntry,
  view: BranchProps["view"],
  enter: BranchProps["enter"],
  ask: BranchProps["ask"],
): MenuItem[] {
  const isFolder = entry.type === "folder";
  return [
    isFolder
      ? { label: "Open", icon: "folder", act: () => enter(entry.path) }
      : { label: "View and edit", icon: "edit", act: () => view(entry) },
    isFolder
      ? {
          label: "Download as archive",
          icon: "download",
          href: fileUrl(id, entry.path, "/archive"),
          download: `${entry.name}.tar`,
        }
      : { label: "Download", icon: "download", href: fileUrl(id, entry.path), download: entry.name },
    { label: "Rename…", icon: "edit", act: () => ask({ what: "rename", entry }) },
    "line",
    { label: "Delete…", icon: "trash", danger: true, act: () => ask({ what: "delete", entry }) },
  ];
}

type AskProps = { id: string; asking: Asking | undefined; onClose: () => void; onGone: (path: string) => void };

function AskDialog({ id, asking, onClose, onGone }: AskProps) {
  const [busy, setBusy] = useState(false);
  const path = { sandbox_id: id };
  const act = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    if (!asking) return;
    const name = String(new FormData(event.currentTarget).get("name") ?? "").trim();
    setBusy(true);
    try {
      if (asking.what === "delete") {
        const query = { path: asking.entry.path, recursive: true };
        await data(api.DELETE("/sandboxes/{sandbox_id}/files", { params: { path, query } }));
        onGone(asking.entry.path);
        toast(`${asking.entry.name} is deleted.`);
      } else if (asking.what === "rename") {
        const to = name.startsWith("/") ? name : join(parentOf(asking.entry.path), name);
        await data(
          api.POST("/sandboxes/{sandbox_id}/files/move", { params: { path }, body: { from: asking.entry.path, to } }),
        );
        onGone(asking.entry.path);
      } else if (asking.what === "folder") {
        const body = { path: join(asking.path, name) };
        await data(api.POST("/sandboxes/{sandbox_id}/files/mkdir", { params: { path }, body }));
      } else {
        const query = { path: join(asking.path, name) };
        const content = { body: "", bodySerializer: () => new Blob([]) };
        await data(api.PUT("/sandboxes/{sandbox_id}/files", { params: { path, query }, ...content }));
      }
      await queryClient.invalidateQueries({ queryKey: ["files", id] });
      onClose();
    } catch (error) {
      sayError(error);
    } finally {
      setBusy(false);
    }
  };
  const title = !asking
    ? ""
    : asking.what === "delete"
      ? `Delete ${asking.entry.name}?`
      : asking.what === "rename"
        ? `Rename ${asking.entry.name}`
        : asking.what === "folder"
          ? "New folder"
          : "New file";
  const about =
    asking?.what !== "delete"
      ? undefined
      : asking.entry.path +
        (asking.entry.type === "folder" ? " with all that is in it" : "") +
        " is gone then; there is no way back.";
  return (
    <Dialog open={asking !== undefined} title={title} about={about} onClose={onClose}>
      <form onSubmit={(event) => void act(event)} style={{ display: "contents" }}>
        {asking && asking.what !== "delete" && (
          <div className="field">
            <label htmlFor="file-name">Name</label>
            <input
              id="file-name"
              name="name"
              className="input"
              required
              autoFocus
              autoComplete="off"
              spellCheck={false}
              defaultValue={asking.what === "rename" ? asking.entry.name : ""}
            />
          </div>
        )}
        <div className="dialog-end">
          <Button onClick={onClose} disabled={busy}>
            {asking?.what === "delete" ? "Keep" : "Cancel"}
          </Button>
          {asking?.what === "delete" ? (
            <Button look="danger primary" type="submit" busy={busy}>
              Delete {asking.entry.name}
            </Button>
          ) : (
            <Button look="primary" type="submit" busy={busy}>
              {asking?.what === "rename" ? "Rename" : "Create"}
            </Button>
          )}
        </div>
      </form>
    </Dialog>
  );
}
