// Places are paths below /dashboard; the browser's own history is the state.
import { useSyncExternalStore } from "react";

export const BASE = "/dashboard";

export type Place =
  { page: "list" } | { page: "detail"; id: string; tab: string } | { page: "widget" } | { page: "unknown" };

export function placeOf(pathname: string): Place {
  const parts = pathname.slice(BASE.length).split("/").filter(Boolean);
  if (!pathname.startsWith(BASE)) return { page: "unknown" };
  if (parts.length === 0) return { page: "list" };
  if (parts[0] === "widget" && parts.length === 1) return { page: "widget" };
  if (parts[0] !== "sandboxes" || parts.length > 3) return { page: "unknown" };
  const [, id, tab] = parts;
  if (id === undefined) return { page: "list" };
  try {
    return { page: "detail", id: decodeURIComponent(id), tab: tab ?? "overview" };
  } catch {
    return { page: "unknown" };
  }
}

export const listPath = `${BASE}/sandboxes`;
export const detailPath = (id: string, tab?: string) =>
  `${BASE}/sandboxes/${encodeURIComponent(id)}${tab && tab !== "overview" ? `/${tab}` : ""}`;

const listeners = new Set<() => void>();
const tell = () => listeners.forEach((listener) => listener());
window.addEventListener("popstate", tell);

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function go(path: string, { replace = false } = {}) {
  if (path === location.pathname + location.search) return;
  if (replace) history.replaceState(null, "", path);
  else history.pushState(null, "", path);
  tell();
}

export const usePathname = () => useSyncExternalStore(subscribe, () => location.pathname);
