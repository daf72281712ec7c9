// Small charts of our own: a line over time, in SVG.

export type Point = { at: number; value: number };
export type Line = { name: string; points: Point[]; color: string };

export function linePath(points: Point[], from: number, to: number, top: number, width: number, height: number) {
  if (points.length === 0 || to <= from || top <= 0) return "";
  const steps = points.map(({ at, value }) => {
    const x = ((at - from) / (to - from)) * width;
    const y = height - Math.min(1, Math.max(0, value / top)) * height;
    return `${x.toFixed(1)} ${y.toFixed(1)}`;
  });
  return `M${steps.join("L")}`;
}

export function Sparkline({ points, top, label }: { points: Point[]; top: number; label: string }) {
  const shown = points.slice(-40);
  const first = shown[0];
  const last = shown[shown.length - 1];
  if (!first || !last || shown.length < 2)
    return (
      <span className="muted small" title={label}>
        –
      </span>
    );
  const path = linePath(shown, first.at, last.at, top, 100, 26);
  return (
    <svg className="spark" viewBox="0 -2 100 30" preserveAspectRatio="none" role="img" aria-label={label}>
      <path d={`${path}L100 26L0 26Z`} fill="var(--accent-soft)" />
      <path d={path} fill="none" stroke="var(--accent)" strokeWidth="1.5" vectorEffect="non-scaling-stroke" />
    </svg>
  );
}

type ChartProps = { title: string; now: string; lines: Line[]; top?: number; format: (value: number) => string };

export function Chart({ title, now, lines, top, format }: ChartProps) {
  const all = lines.flatMap((line) => line.points);
  const from = Math.min(...all.map((point) => point.at));
  const to = Math.max(...all.map((point) => point.at));
  const highest = Math.max(...all.map((point) => point.value), 0);
  const ceiling = top && top > 0 ? top : highest > 0 ? highest * 1.15 : 1;
  const minutes = Math.max(1, Math.round((to - from) / 60_000));
  return (
    <figure className="card chart">
      <figcaption className="chart-head">
        <h2>{title}</h2>
        <strong>{now}</strong>
      </figcaption>
      {all.length < 2 ? (
        <p className="muted small" style={{ height: "7.500rem" }}>
          The line begins with the second measurement.
        </p>
      ) : (
        <svg
          viewBox="0 0 400 110"
          preserveAspectRatio="none"
          role="img"
          aria-label={`${title}: ${now} now, at most ${format(highest)} in ${minutes} min`}
        >
          {[0, 55, 110].map((y) => (
            <path key={y} className="axis" d={`M0 ${y}H400`} />
          ))}
          {lines.map((line) => {
            const path = linePath(line.points, from, to, ceiling, 400, 110);
            return (
              <g key={line.name}>
                {lines.length === 1 && <path d={`${path}L400 110L0 110Z`} fill={line.color} opacity="0.14" />}
                <path
                  d={path}
                  fill="none"
                  stroke={line.color}
                  strokeWidth="2"
                  vectorEffect="non-scaling-stroke"
                  strokeLinejoin="round"
                />
              </g>
            );
          })}
        </svg>
      )}
      <div className="row small muted chart-foot">
        <span className="grow nowrap">{all.length > 1 ? `last ${minutes} min` : ""}</span>
        {lines.length > 1 && (
          <span className="keys">
            {lines.map((line) => (
              <span key={line.name} className="key">
                <i style={{ background: line.color }} />
                {line.name}
              </span>
            ))}
          </span>
        )}
        {all.length > 1 && <span className="nowrap wide-only">scale to {format(ceiling)}</span>}
      </div>
    </figure>
  );
}
