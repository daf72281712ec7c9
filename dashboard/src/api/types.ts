// Names for the bodies of the API.
import type { paths } from "./schema";

type Json<T> = T extends { content: { "application/json": infer Body } } ? Body : never;
type Answer<P extends keyof paths, M extends keyof paths[P], S extends number> = paths[P][M] extends {
  responses: infer R;
}
  ? S extends keyof R
    ? Json<R[S]>
    : never
  : never;

export type Sandbox = Answer<"/sandboxes/{sandbox_id}", "get", 200>;
export type Status = Sandbox["status"];
export type HistoryEvent = Answer<"/sandboxes/{sandbox_id}/events", "get", 200>["events"][number];
export type Process = Answer<"/sandboxes/{sandbox_id}/processes", "get", 200>["processes"][number];
export type Port = Answer<"/sandboxes/{sandbox_id}/ports", "get", 200>["ports"][number];
export type FileEntry = Answer<"/sandboxes/{sandbox_id}/files/list", "get", 200>["entries"][number];
export type StoredEntry = Answer<"/users/{user_id}/storage/{tier}/files", "get", 200>["entries"][number];
export type Metrics = Answer<"/sandboxes/{sandbox_id}/metrics", "get", 200>;
export type Usage = Metrics["series"][number];
export type CreateRequest = NonNullable<paths["/sandboxes"]["post"]["requestBody"]>["content"]["application/json"];

export const LIVE: readonly Status[] = ["creating", "starting", "ready", "running", "shutting_down"];
export const isLive = (sandbox: { status: Status }) => LIVE.includes(sandbox.status);
export const isUsable = (sandbox: { status: Status }) => sandbox.status === "ready" || sandbox.status === "running";
