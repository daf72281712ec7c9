// Whether this browser is signed in. The cookie is out of reach of scripts; the CSRF token lives in this variable only.
import { useSyncExternalStore } from "react";
import type { paths } from "./schema";

type Ok<P extends keyof paths, M extends keyof paths[P]> = paths[P][M] extends {
  responses: { 200: { content: { "application/json": infer Body } } };
}
  ? Body
  : never;
export type Session = Ok<"/dashboard/session", "get">;

export type SessionState =
  | { at: "unknown" }
  | { at: "unreachable" }
  | { at: "out"; session: Session; again: boolean }
  | { at: "in"; session: Session };

let state: SessionState = { at: "unknown" };
const listeners = new Set<() => void>();

function set(next: SessionState) {
  state = next;
  listeners.forEach((listener) => listener());
}

export const useSession = () =>
  useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => state,
  );

export const csrfToken = () => (state.at === "in" ? state.session.csrf : undefined);

function take(session: Session) {
  const again = state.at === "in" || (state.at === "out" && state.again);
  set(session.signed_in ? { at: "in", session } : { at: "out", session, again });
}

export async function loadSession(): Promise<void> {
  try {
    const answer = await fetch("/dashboard/session", { credentials: "same-origin" });
    if (!answer.ok) throw new Error();
    take((await answer.json()) as Session);
  } catch {
    if (state.at === "unknown" || state.at === "unreachable") set({ at: "unreachable" });
  }
}

let asking: Promise<void> | undefined;
// Somebody was refused: ask once whether the session is really over.
export function sessionLost() {
  asking ??= loadSession().finally(() => (asking = undefined));
}

export async function signIn(key: string): Promise<string | undefined> {
  try {
    const answer = await fetch("/dashboard/session", {
      method: "POST",
      credentials: "same-origin",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ key }),
    });
    if (answer.ok) {
      take((await answer.json()) as Session);
      return undefined;
    }
    if (answer.status === 403) return "This key is not known. Check for a missing character and try again.";
    return `Signing in failed (${answer.status}). Try again.`;
  } catch {
    return "The orchestrator cannot be reached. Check that it runs, then try again.";
  }
}

export async function signOut() {
  const csrf = csrfToken();
  await fetch("/dashboard/session", {
    method: "DELETE",
    credentials: "same-origin",
    headers: csrf ? { "X-Matrx-CSRF": csrf } : {},
  }).catch(() => undefined);
  location.assign("/dashboard");
}
