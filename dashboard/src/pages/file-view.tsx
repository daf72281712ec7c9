// One file: text to edit, an image to look at, or a word about what it is.
import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { api, data } from "../api/client";
import { queryClient } from "../api/queries";
import type { FileEntry } from "../api/types";
import { bytes } from "../lib/format";
import { Icon } from "../ui/icons";
import { Button, Empty, Loading, Problem, sayError, toast } from "../ui/kit";
import { fileUrl } from "./files";

const TEXT_BYTES_MAX = 2 * 1024 * 1024;
const IMAGE_BYTES_MAX = 32 * 1024 * 1024;
const IMAGES: Record<string, string> = {
  png: "image/png",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  gif: "image/gif",
  webp: "image/webp",
  svg: "image/svg+xml",
  avif: "image/avif",
  bmp: "image/bmp",
  ico: "image/x-icon",
};

type Content = { kind: "text"; text: string } | { kind: "image"; blob: Blob } | { kind: "other"; why: string };

async function read(id: string, entry: FileEntry): Promise<Content> {
  const image = IMAGES[entry.name.split(".").pop()?.toLowerCase() ?? ""];
  if (entry.size > (image ? IMAGE_BYTES_MAX : TEXT_BYTES_MAX)) {
    return { kind: "other", why: `It is too large to be shown here: ${bytes(entry.size)}.` };
  }
  const params = { path: { sandbox_id: id }, query: { path: entry.path } };
  // The generated type says text; what is asked for is the bytes.
  const content: unknown = await data(api.GET("/sandboxes/{sandbox_id}/files", { params, parseAs: "arrayBuffer" }));
  const buffer = (content ?? new ArrayBuffer(0)) as ArrayBuffer;
  if (image) return { kind: "image", blob: new Blob([buffer], { type: image }) };
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(buffer);
    if (text.includes("\0")) return { kind: "other", why: "It is not text." };
    return { kind: "text", text };
  } catch {
    return { kind: "other", why: "It is not text." };
  }
}

export function FileView({ id, entry, onClose }: { id: string; entry: FileEntry; onClose: () => void }) {
  const {
    data: content,
    error,
    refetch,
  } = useQuery({
    queryKey: ["content", id, entry.path],
    queryFn: () => read(id, entry),
    gcTime: 0,
    staleTime: Infinity,
  });
  const [draft, setDraft] = useState<string>();
  const [busy, setBusy] = useState(false);
  const saved = content?.kind === "text" ? content.text : undefined;
  const isChanged = draft !== undefined && draft !== saved;

  const save = async () => {
    if (draft === undefined) return;
    setBusy(true);
    try {
      await data(
        api.PUT("/sandboxes/{sandbox_id}/files", {
          params: { path: { sandbox_id: id }, query: { path: entry.path } },
          body: draft,
          bodySerializer: (body) => new Blob([body]),
          headers: { "Content-Type": "application/octet-stream" },
        }),
      );
      queryClient.setQueryData(["content", id, entry.path], { kind: "text", text: draft });
      await queryClient.invalidateQueries({ queryKey: ["files", id] });
      toast(`${entry.name} is saved.`);
    } catch (error) {
      sayError(error);
    } finally {
      setBusy(false);
    }
  };
  useEffect(() => {
    if (!isChanged) return undefined;
    const warn = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener("beforeunload", warn);
    return () => window.removeEventListener("beforeunload", warn);
  }, [isChanged]);

  return (
    <section className="card" aria-label={entry.name}>
      <div className="card-head">
        <h2 className="cut" title={entry.path}>
          {entry.name}
          {isChanged && <span className="muted"> (changed)</span>}
        </h2>
        {content?.kind === "text" && (
          <Button
            look={`tiny ${isChanged ? "primary" : ""}`}
            disabled={!isChanged}
            busy={busy}
            onClick={() => void save()}
          >
            Save
          </Button>
        )}
        <a className="button tiny" href={fileUrl(id, entry.path)} download={entry.name}>
          <Icon name="download" />
          Download
        </a>
        <Button look="tiny quiet icon" icon="close" aria-label="Close the file" disabled={busy} onClick={onClose} />
      </div>
      {error ? (
        <Problem error={error} retry={() => void refetch()} />
      ) : !content ? (
        <Loading what="the file" />
      ) : content.kind === "text" ? (
        <textarea
          className="editor"
          aria-label={`Content of ${entry.name}`}
          spellCheck={false}
          value={draft ?? content.text}
          onChange={(event) => setDraft(event.target.value)}
          onKeyDown={(event) => {
            if ((event.ctrlKey || event.metaKey) && event.key === "s") {
              event.preventDefault();
              void save();
            }
          }}
        />
      ) : content.kind === "image" ? (
        <Picture blob={content.blob} name={entry.name} />
      ) : (
        <Empty icon="file" title="Nothing to show">
          <p>{content.why} Download it to look at it.</p>
        </Empty>
      )}
    </section>
  );
}

function Picture({ blob, name }: { blob: Blob; name: string }) {
  const [url, setUrl] = useState<string>();
  useEffect(() => {
    const made = URL.createObjectURL(blob);
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [blob]);
  return <div className="preview">{url && <img src={url} alt={name} />}</div>;
}
