// Line icons of our own, on a grid of 24.
const PATHS = {
  add: "M12 5v14M5 12h14",
  box: "M12 3 20 7.5v9L12 21l-8-4.500v-9ZM4 7.500l8 4.500 8-4.500M12 12v9",
  close: "m6 6 12 12M18 6 6 18",
  more: "M12 5.500v.01M12 12v.01M12 18.500v.01",
  stop: "M7 7h10v10H7Z",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10.500 11v5M13.500 11v5",
  clock: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18ZM12 7.500V12l3 2",
  pause: "M9 6v12M15 6v12",
  play: "M8 5.500v13l10.500-6.500Z",
  terminal: "m5 8 4 4-4 4M12 17h7",
  folder: "M3.500 6.500h6l2 2.500h9v10.500h-17Z",
  file: "M6 3.500h8l4 4v13H6ZM14 3.500v4h4",
  link:
    "M10 14a4 4 0 0 0 5.700 0l2.800-2.800a4 4 0 0 0-5.700-5.700L11.500 6.800" +
    "M14 10a4 4 0 0 0-5.700 0l-2.800 2.800a4 4 0 0 0 5.700 5.700l1.300-1.300",
  upload: "M12 16V5m-4.500 4.500L12 5l4.500 4.500M5 19h14",
  download: "M12 5v11m-4.500-4.500L12 16l4.500-4.500M5 20h14",
  edit: "m5 19 1-4L16 5l3 3L9 18Z",
  open: "M14 5h5v5M19 5l-8 8M11 5H5v14h14v-6",
  back: "m14 6-6 6 6 6",
  copy: "M9 9h11v11H9ZM15 9V4H4v11h5",
  out: "M14 4H5v16h9M10 12h10m-3.500-3.500L20 12l-3.500 3.500",
  alert: "M12 4 21 19.500H3ZM12 10v4.500M12 17v.01",
  search: "M10.500 4a6.500 6.500 0 1 0 0 13 6.500 6.500 0 0 0 0-13ZM15.500 15.500 20 20",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth={name === "more" ? 3 : 1.8}
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      <path d={PATHS[name]} />
    </svg>
  );
}

export function Mark() {
  return (
    <svg viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="8" fill="#3a4fd0" />
      <path
        d="M16 6.500 24.500 11v10L16 25.500 7.500 21V11Zm-8.500 4.500L16 15.500 24.500 11M16 15.500v10"
        fill="none"
        stroke="#fff"
        strokeWidth="2"
        strokeLinejoin="round"
      />
    </svg>
  );
}
