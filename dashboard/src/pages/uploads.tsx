// Files on their way into a sandbox. XMLHttpRequest, because fetch does not tell how far an upload is.
import { useCallback, useState } from "react";
import { messageOf } from "../api/client";
import { queryClient } from "../api/queries";
import { csrfToken, sessionLost } from "../api/session";
import { bytes, join } from "../lib/format";
import { Button } from "../ui/kit";

type Upload = {
  key: number;
  name: string;
  sent: number;
  size: number;
  state: "going" | "done" | string;
  abort: () => void;
};

let nextKey = 1;
const DONE_SHOWN_MS = 4000;

export function useUploads(sandboxId: string) {
  const [list, setList] = useState<Upload[]>([]);
  const update = (key: number, part: Partial<Upload>) =>
    setList((all) => all.map((each) => (each.key === key ? { ...each, ...part } : each)));
  const remove = (key: number) => setList((all) => all.filter((each) => each.key !== key));

  const send = useCallback(
    (folder: string, file: File) => {
      const key = nextKey++;
      const request = new XMLHttpRequest();
      const path = encodeURIComponent(join(folder, file.name));
      request.open("PUT", `/sandboxes/${encodeURIComponent(sandboxId)}/files?path=${path}`);
      const csrf = csrfToken();
      if (csrf) request.setRequestHeader("X-Matrx-CSRF", csrf);
      request.setRequestHeader("Content-Type", "application/octet-stream");
      request.upload.onprogress = ({ loaded }) => update(key, { sent: loaded });
      request.onload = () => {
        if (request.status === 401) sessionLost();
        if (request.status >= 200 && request.status < 300) {
          update(key, { state: "done", sent: file.size });
          void queryClient.invalidateQueries({ queryKey: ["files", sandboxId] });
          setTimeout(() => remove(key), DONE_SHOWN_MS);
          return;
        }
        let body: unknown;
        try {
          body = JSON.parse(request.responseText);
        } catch {
          body = undefined;
        }
        update(key, { state: messageOf(body, request.status) });
      };
      request.onerror = () => update(key, { state: "The connection was lost. Upload the file again." });
      request.onabort = () => remove(key);
      setList((all) => [
        ...all,
        { key, name: file.name, sent: 0, size: file.size, state: "going", abort: () => request.abort() },
      ]);
      request.send(file);
    },
    [sandboxId],
  );

  const add = useCallback((folder: string, files: File[]) => files.forEach((file) => send(folder, file)), [send]);
  const view = (
    <div className="progress" aria-label="Uploads" role="group">
      {list.map(({ key, name, sent, size, state, abort }) => (
        <div key={key} className="field">
          <div className="row small">
            <span className="grow cut">{name}</span>
            {state === "going" && (
              <span className="muted nowrap">
                {bytes(sent)} of {bytes(size)}
              </span>
            )}
            {state === "done" && <span className="nowrap">uploaded, {bytes(size)}</span>}
            {state === "going" ? (
              <Button look="tiny quiet" onClick={abort}>
                Cancel
              </Button>
            ) : (
              <Button look="tiny quiet icon" icon="close" aria-label={`Dismiss ${name}`} onClick={() => remove(key)} />
            )}
          </div>
          {state === "going" && <progress max={Math.max(1, size)} value={sent} aria-label={`Uploading ${name}`} />}
          {state !== "going" && state !== "done" && (
            <div className="problem" role="alert">
              {state}
            </div>
          )}
        </div>
      ))}
    </div>
  );
  return { list, add, view };
}
