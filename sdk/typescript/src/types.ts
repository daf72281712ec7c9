// Names for the bodies of the API; the schema is made from the orchestrator's own document.
import type { paths } from "./schema.js";

type Json<T> = T extends { content: { "application/json": infer Body } } ? Body : never;
type Answer<P extends keyof paths, M extends keyof paths[P], S extends number> = paths[P][M] extends {
  responses: infer R;
}
  ? S extends keyof R
    ? Json<R[S]>
    : never
  : never;
type Body<P extends keyof paths, M extends keyof paths[P]> = paths[P][M] extends { requestBody?: infer B }
  ? Json<NonNullable<B>>
  : never;
type Query<P extends keyof paths, M extends keyof paths[P]> = paths[P][M] extends { parameters: { query?: infer Q } }
  ? NonNullable<Q>
  : never;

export type SandboxInfo = Answer<"/sandboxes/{sandbox_id}", "get", 200>;
export type Status = SandboxInfo["status"];
export type CreateRequest = Body<"/sandboxes", "post">;
export type ListQuery = Query<"/sandboxes", "get">;
export type SandboxPage = Answer<"/sandboxes", "get", 200>;
export type HistoryEvent = Answer<"/sandboxes/{sandbox_id}/events", "get", 200>["events"][number];
export type ExecRequest = Body<"/sandboxes/{sandbox_id}/exec", "post">;
export type ExecResult = Answer<"/sandboxes/{sandbox_id}/exec", "post", 200>;
export type ProcessRequest = Body<"/sandboxes/{sandbox_id}/processes", "post">;
export type ProcessInfo = Answer<"/sandboxes/{sandbox_id}/processes/{process_id}", "get", 200>;
export type FileEntry = Answer<"/sandboxes/{sandbox_id}/files/stat", "get", 200>;
export type Port = Answer<"/sandboxes/{sandbox_id}/ports", "get", 200>["ports"][number];
export type Link = Answer<"/sandboxes/{sandbox_id}/links", "post", 201>;
export type Metrics = Answer<"/sandboxes/{sandbox_id}/metrics", "get", 200>;
export type StorageUsage = Answer<"/users/{user_id}/storage", "get", 200>;
export type Health = Answer<"/health", "get", 200>;

// A path of the API: a typing mistake, or a route that is gone, does not compile.
export type ApiPath = keyof paths;

// What a running command says. `data` is text; what is not UTF-8 is replaced.
export type OutputEvent =
  | { type: "start"; process_id: string; pid: number }
  | { type: "stdout" | "stderr" | "terminal"; data: string; offset: number }
  | { type: "gap"; from: number; to: number } // these bytes are no longer kept
  | {
      type: "exit";
      exit_code: number;
      cwd?: string;
      duration_ms: number;
      timed_out: boolean;
      out_of_memory?: boolean; // of an orchestrator that says so
    };

export type FileChange = { type: string; name: string; entry?: FileEntry };

// `reset`: some events were missed, read the list again. `open`: the connection stands (again).
export type FeedEvent = { type: "sandbox"; event: HistoryEvent; id: string } | { type: "reset" } | { type: "open" };

const ENDED: readonly Status[] = ["stopped", "failed", "expired"];
export const isUsable = (sandbox: { status: Status }) => sandbox.status === "ready" || sandbox.status === "running";
export const hasEnded = (sandbox: { status: Status }) => ENDED.includes(sandbox.status);
