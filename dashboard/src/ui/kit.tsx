// The parts that all pages are made of.
import * as RadixDialog from "@radix-ui/react-dialog";
import * as RadixMenu from "@radix-ui/react-dropdown-menu";
import { useRef, useSyncExternalStore, type ButtonHTMLAttributes, type ReactNode } from "react";
import { clock, duration, secondsSince, statusWord } from "../lib/format";
import { useNow } from "../lib/now";
import type { Sandbox, Status } from "../api/types";
import { isLive } from "../api/types";
import { Icon, type IconName } from "./icons";

type ButtonProps = ButtonHTMLAttributes<HTMLButtonElement> & { look?: string; icon?: IconName; busy?: boolean };

export function Button({ look = "", icon, busy, children, ...rest }: ButtonProps) {
  return (
    <button type="button" className={`button ${look}`} {...rest} disabled={rest.disabled || busy}>
      {busy ? <span className="spinner" aria-hidden="true" /> : icon && <Icon name={icon} />}
      {children}
    </button>
  );
}

// --- Dialogs -----------------------------------------------------------------------------------

type DialogProps = {
  title: string;
  about?: ReactNode;
  open: boolean;
  onClose?: () => void; // none: it cannot be closed
  children: ReactNode;
};

export function Dialog({ title, about, open, onClose, children }: DialogProps) {
  const stay = (event: Event) => {
    if (!onClose) event.preventDefault();
  };
  // Our dialogs have no trigger of Radix's, to which it would return the focus.
  const before = useRef<Element>(null);
  return (
    <RadixDialog.Root open={open} onOpenChange={(next) => !next && onClose?.()}>
      <RadixDialog.Portal>
        <RadixDialog.Overlay className="overlay" />
        <RadixDialog.Content
          className="dialog"
          onEscapeKeyDown={stay}
          onPointerDownOutside={stay}
          onOpenAutoFocus={() => (before.current = document.activeElement)}
          onCloseAutoFocus={(event) => {
            event.preventDefault();
            if (before.current instanceof HTMLElement) before.current.focus();
          }}
          {...(about ? {} : { "aria-describedby": undefined })}
        >
          <div className="row">
            <RadixDialog.Title asChild>
              <h2 className="grow">{title}</h2>
            </RadixDialog.Title>
            {onClose && (
              <RadixDialog.Close asChild>
                <Button look="quiet icon tiny" icon="close" aria-label="Close" />
              </RadixDialog.Close>
            )}
          </div>
          {about && (
            <RadixDialog.Description asChild>
              <div className="muted">{about}</div>
            </RadixDialog.Description>
          )}
          {children}
        </RadixDialog.Content>
      </RadixDialog.Portal>
    </RadixDialog.Root>
  );
}

// --- Menus -------------------------------------------------------------------------------------

export type MenuItem =
  | { label: string; icon: IconName; act: () => void; danger?: boolean; disabled?: boolean }
  | { label: string; icon: IconName; href: string; download: string }
  | "line";

export function Menu({ label, items }: { label: string; items: MenuItem[] }) {
  return (
    <RadixMenu.Root modal={false}>
      <RadixMenu.Trigger asChild>
        <Button look="quiet icon tiny" icon="more" aria-label={label} />
      </RadixMenu.Trigger>
      <RadixMenu.Portal>
        <RadixMenu.Content className="menu" align="end" sideOffset={4} collisionPadding={8}>
          {items.map((item, index) => {
            if (item === "line") return <RadixMenu.Separator key={index} className="menu-line" />;
            if ("href" in item) {
              return (
                <RadixMenu.Item key={index} asChild className="menu-item">
                  <a href={item.href} download={item.download}>
                    <Icon name={item.icon} />
                    {item.label}
                  </a>
                </RadixMenu.Item>
              );
            }
            return (
              <RadixMenu.Item
                key={index}
                className={`menu-item ${item.danger ? "danger" : ""}`}
                disabled={item.disabled}
                onSelect={item.act}
              >
                <Icon name={item.icon} />
                {item.label}
              </RadixMenu.Item>
            );
          })}
        </RadixMenu.Content>
      </RadixMenu.Portal>
    </RadixMenu.Root>
  );
}

// --- Messages at the edge ----------------------------------------------------------------------

type Toast = { id: number; text: string; bad: boolean };
let toasts: Toast[] = [];
let nextToast = 1;
const listeners = new Set<() => void>();
const setToasts = (next: Toast[]) => {
  toasts = next;
  listeners.forEach((listener) => listener());
};

export function toast(text: string, bad = false) {
  const id = nextToast++;
  setToasts([...toasts.slice(-3), { id, text, bad }]);
  setTimeout(() => setToasts(toasts.filter((each) => each.id !== id)), bad ? 12_000 : 5000);
}

export const sayError = (error: unknown) =>
  toast(error instanceof Error ? error.message : "Something went wrong. Reload the page.", true);

export function Toasts() {
  const shown = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => toasts,
  );
  return (
    <div className="toasts" role="status" aria-live="polite">
      {shown.map(({ id, text, bad }) => (
        <div key={id} className="toast" data-bad={bad || undefined}>
          <span className="grow">{text}</span>
          <Button
            look="quiet icon tiny"
            icon="close"
            aria-label="Dismiss"
            onClick={() => setToasts(toasts.filter((each) => each.id !== id))}
          />
        </div>
      ))}
    </div>
  );
}

// --- About a sandbox ---------------------------------------------------------------------------

const TONES: Record<Status, string> = {
  creating: "busy",
  starting: "busy",
  ready: "good",
  running: "good",
  shutting_down: "warn",
  stopped: "",
  failed: "bad",
  expired: "",
};
export const toneOf = (status: string) => TONES[status as Status] ?? "";

export function StatusBadge({ sandbox }: { sandbox: Pick<Sandbox, "status" | "paused_at"> }) {
  if (sandbox.paused_at && isLive(sandbox))
    return (
      <span className="badge" data-tone="warn">
        Paused
      </span>
    );
  return (
    <span className="badge" data-tone={toneOf(sandbox.status)}>
      {statusWord(sandbox.status)}
    </span>
  );
}

export function Age({ iso }: { iso: string }) {
  return (
    <time dateTime={iso} title={clock(iso)}>
      {duration(secondsSince(iso, useNow()))}
    </time>
  );
}

const SOON_SECONDS = 600;

export function TimeLeft({ sandbox }: { sandbox: Sandbox }) {
  const now = useNow();
  if (!isLive(sandbox)) return <span className="muted">–</span>;
  const left = -secondsSince(sandbox.expires_at, now);
  const whole = (Date.parse(sandbox.expires_at) - Date.parse(sandbox.created_at)) / 1000;
  const share = Math.max(0, Math.min(1, left / Math.max(1, whole)));
  return (
    <div className="left" data-soon={left < SOON_SECONDS || undefined} title={`Ends ${clock(sandbox.expires_at)}`}>
      <span>{left > 0 ? `${duration(left)} left` : "ending"}</span>
      <div className="left-bar" aria-hidden="true">
        <i style={{ width: `${share * 100}%` }} />
      </div>
    </div>
  );
}

export function Empty({ icon, title, children }: { icon: IconName; title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <Icon name={icon} />
      <h2>{title}</h2>
      {children}
    </div>
  );
}

export function Loading({ what }: { what: string }) {
  return (
    <div className="empty" role="status">
      <span className="spinner" aria-hidden="true" />
      <p>Reading {what}…</p>
    </div>
  );
}

export function Problem({ error, retry }: { error: unknown; retry?: () => void }) {
  return (
    <div className="card-body">
      <div className="problem" role="alert">
        {error instanceof Error ? error.message : "Something went wrong."}
        {retry && (
          <div style={{ marginTop: "0.6rem" }}>
            <Button look="tiny" onClick={retry}>
              Try again
            </Button>
          </div>
        )}
      </div>
    </div>
  );
}
