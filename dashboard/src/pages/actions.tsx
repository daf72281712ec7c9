// What can be done to sandboxes, with the questions that come before.
import { useState } from "react";
import { endSandbox, extendSandbox, setPaused } from "../api/queries";
import type { Session } from "../api/session";
import type { Sandbox } from "../api/types";
import { isLive } from "../api/types";
import { Button, Dialog, sayError, toast, type MenuItem } from "../ui/kit";

export const HOUR = 3600;
export const nameOf = (sandbox: Sandbox) => sandbox.name || sandbox.sandbox_id;

// Extending means "at least so long from now on": an hour more is asked for as what is left and an hour.
export async function addHour(sandboxes: Sandbox[], session: Session) {
  for (const sandbox of sandboxes) {
    const left = Math.max(0, Math.ceil((Date.parse(sandbox.expires_at) - Date.now()) / 1000));
    try {
      await extendSandbox(sandbox.sandbox_id, Math.min(session.ttl_seconds_max, left + HOUR));
      if (sandboxes.length === 1) toast(`${nameOf(sandbox)} has an hour more.`);
    } catch (error) {
      sayError(error);
    }
  }
  if (sandboxes.length > 1) toast(`${sandboxes.length} sandboxes have an hour more.`);
}

export async function pause(sandbox: Sandbox, paused: boolean) {
  try {
    await setPaused(sandbox.sandbox_id, paused);
  } catch (error) {
    sayError(error);
  }
}

export type Ending = { sandboxes: Sandbox[]; graceful: boolean };

// Asks, and names what it is about to end.
export function EndDialog({ ending, onClose }: { ending: Ending | undefined; onClose: () => void }) {
  const [busy, setBusy] = useState(false);
  const one = ending?.sandboxes.length === 1 ? ending.sandboxes[0] : undefined;
  const what = one ? nameOf(one) : `${ending?.sandboxes.length ?? 0} sandboxes`;
  const verb = ending?.graceful ? "Stop" : "Destroy";
  const act = async () => {
    if (!ending) return;
    setBusy(true);
    const done = await Promise.allSettled(ending.sandboxes.map((each) => endSandbox(each.sandbox_id, ending.graceful)));
    setBusy(false);
    const failed = done.filter((each) => each.status === "rejected");
    failed.slice(0, 3).forEach((each) => sayError(each.reason));
    if (failed.length === 0) toast(ending.graceful ? `${what}: stopped.` : `${what}: destroyed.`);
    onClose();
  };
  return (
    <Dialog
      open={ending !== undefined}
      title={`${verb} ${what}?`}
      onClose={busy ? undefined : onClose}
      about={
        ending?.graceful
          ? "Its programs are told to end and get time for it. Home and large files are saved; the container goes."
          : "All programs in it are killed at once. The home is saved as it is at this moment; the container goes."
      }
    >
      {!one && ending && (
        <ul className="notice small">
          {ending.sandboxes.slice(0, 8).map((each) => (
            <li key={each.sandbox_id} className="cut">
              {nameOf(each)}
            </li>
          ))}
          {ending.sandboxes.length > 8 && <li>and {ending.sandboxes.length - 8} more</li>}
        </ul>
      )}
      {one && (
        <p className="small muted">
          Sandbox <code>{one.sandbox_id}</code> of user <strong>{one.user_id}</strong>
        </p>
      )}
      <div className="dialog-end">
        <Button onClick={onClose} disabled={busy}>
          Keep
        </Button>
        <Button look="danger primary" busy={busy} onClick={() => void act()}>
          {verb} {what}
        </Button>
      </div>
    </Dialog>
  );
}

export function menuOf(sandbox: Sandbox, session: Session, end: (ending: Ending) => void): MenuItem[] {
  const live = isLive(sandbox);
  const usable = sandbox.status === "ready" || sandbox.status === "running";
  const paused = Boolean(sandbox.paused_at);
  return [
    { label: "1 hour more", icon: "clock", act: () => void addHour([sandbox], session), disabled: !usable },
    {
      label: paused ? "Resume" : "Pause",
      icon: paused ? "play" : "pause",
      disabled: !usable,
      act: () => void pause(sandbox, !paused),
    },
    { label: "Copy id", icon: "copy", act: () => void copy(sandbox.sandbox_id) },
    "line",
    { label: "Stop…", icon: "stop", act: () => end({ sandboxes: [sandbox], graceful: true }), disabled: !live },
    {
      label: "Destroy…",
      icon: "trash",
      danger: true,
      disabled: !live,
      act: () => end({ sandboxes: [sandbox], graceful: false }),
    },
  ];
}

export async function copy(text: string) {
  try {
    await navigator.clipboard.writeText(text);
    toast("Copied.");
  } catch {
    toast(`The browser does not allow copying here. It is: ${text}`, true);
  }
}
