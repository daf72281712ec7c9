// What the storage has of a user, when no sandbox shows it.
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { storedQuery } from "../api/queries";
import { bytes, clock } from "../lib/format";
import { Icon } from "../ui/icons";
import { Empty, Loading, Problem } from "../ui/kit";
import { Crumbs } from "./files";

const TIERS = [
  ["hot", "Home"],
  ["cold", "Large files"],
] as const;

export function Stored({ user }: { user: string }) {
  const [tier, setTier] = useState<string>("hot");
  const [path, setPath] = useState("");
  const { data, error, refetch } = useQuery(storedQuery(user, tier, path));
  const content = (file: string) =>
    `/users/${encodeURIComponent(user)}/storage/${tier}/content?path=${encodeURIComponent(file)}`;
  return (
    <section className="card" aria-label="Stored files">
      <div className="card-head">
        <h2>Stored files of {user}</h2>
        <div className="chips" role="group" aria-label="Storage">
          {TIERS.map(([value, word]) => (
            <button
              key={value}
              type="button"
              className="chip"
              aria-pressed={tier === value}
              onClick={() => {
                setTier(value);
                setPath("");
              }}
            >
              {word}
            </button>
          ))}
        </div>
      </div>
      <div style={{ padding: "0.35rem 0.8rem" }}>
        <Crumbs path={path} go={setPath} top={tier === "hot" ? "Home" : "Large files"} />
      </div>
      {error && !data ? (
        <Problem error={error} retry={() => void refetch()} />
      ) : !data ? (
        <Loading what="the storage" />
      ) : data.entries.length === 0 ? (
        <Empty icon="folder" title="Nothing is stored here">
          <p>What a sandbox of this user leaves in its home is kept here when it ends.</p>
        </Empty>
      ) : (
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
                <th scope="col" className="end">
                  <span className="hidden-text">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {[...data.entries]
                .sort((a, b) => Number(b.type === "folder") - Number(a.type === "folder"))
                .map((entry) => (
                  <tr key={entry.path}>
                    <td>
                      {entry.type === "folder" ? (
                        <button type="button" className="entry" data-kind="folder" onClick={() => setPath(entry.path)}>
                          <Icon name="folder" />
                          {entry.name}
                        </button>
                      ) : (
                        <span className="entry" style={{ cursor: "auto", textDecoration: "none" }}>
                          <Icon name={entry.type === "link" ? "link" : "file"} />
                          {entry.name}
                          {entry.target && <span className="muted small"> → {entry.target}</span>}
                        </span>
                      )}
                    </td>
                    <td className="number">{entry.type === "file" ? bytes(entry.size) : ""}</td>
                    <td className="narrow-hide muted">{clock(entry.modified_at)}</td>
                    <td className="end">
                      {entry.type === "file" && (
                        <a className="button tiny" href={content(entry.path)} download={entry.name}>
                          <Icon name="download" />
                          Download<span className="hidden-text"> {entry.name}</span>
                        </a>
                      )}
                    </td>
                  </tr>
                ))}
            </tbody>
          </table>
        </div>
      )}
      {data?.truncated && <p className="card-body muted small">Only the first 10,000 entries are shown.</p>}
    </section>
  );
}
