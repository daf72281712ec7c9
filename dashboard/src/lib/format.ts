// Numbers and times in words.

export function duration(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  const hours = Math.floor(s / 3600);
  const minutes = Math.floor((s % 3600) / 60);
  if (hours < 48) return minutes ? `${hours} h ${minutes} min` : `${hours} h`;
  return `${Math.floor(hours / 24)} d`;
}

export function bytes(count: number): string {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let value = count;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

export const clock = (iso: string | undefined) =>
  iso ? new Date(iso).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" }) : "";

export const secondsSince = (iso: string, now: number) => (now - Date.parse(iso)) / 1000;

const WORDS: Record<string, string> = {
  creating: "Creating",
  starting: "Starting",
  ready: "Ready",
  running: "Running",
  shutting_down: "Stopping",
  stopped: "Stopped",
  failed: "Failed",
  expired: "Expired",
};
export const statusWord = (status: string) => WORDS[status] ?? status;

const REASONS: Record<string, string> = {
  user_requested: "You or a program asked for it.",
  expired: "Its time was over.",
  error: "Something went wrong in it.",
  graceful_shutdown: "Its agent said that it was done.",
  admin: "An administrator stopped it.",
  idle: "Nothing had happened in it for a while.",
};
export const reasonSentence = (reason: string) => REASONS[reason] ?? `Reason: ${reason.replaceAll("_", " ")}.`;

// A path's last part; of "/" the path itself.
export const baseName = (path: string) => path.replace(/\/+$/, "").split("/").pop() || path;
export const parentOf = (path: string) => path.replace(/\/+$/, "").split("/").slice(0, -1).join("/") || "/";
export const join = (folder: string, name: string) => (folder ? `${folder.replace(/\/+$/, "")}/${name}` : name);
