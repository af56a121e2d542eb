import { useEffect, useMemo, useRef, useState } from 'react';
import uPlot from 'uplot';
import { Button } from './button.tsx';
import { CopyButton } from './copy.tsx';

export interface Series {
  readonly name: string;
  /** One value for each time; null is a gap. */
  readonly values: readonly (number | null)[];
}

export interface ChartProps {
  /** With the unit: `Latency (ms)`. */
  readonly title: string;
  /** Unix milliseconds, ascending. */
  readonly times: readonly number[];
  /** At most six; sum the rest as "other". */
  readonly series: readonly Series[];
  readonly format: (value: number | null) => string;
  /** Lines across the chart, such as a limit. */
  readonly thresholds?: readonly { readonly label: string; readonly value: number }[];
  /** Selects a part of the range. Unix milliseconds. */
  readonly onZoom?: (from: number, to: number) => void;
  /** Charts with the same key share a crosshair. */
  readonly syncKey?: string;
  readonly height?: number;
}

const MAX_SERIES = 6;

/** @returns the places of values without neighbours, which a line alone would not show */
function isolated({ data }: uPlot, series: number): number[] {
  const values = data[series] ?? [];
  const isGap = (index: number) => values[index] === null || values[index] === undefined;
  return [...values.keys()].filter((index) => !isGap(index) && isGap(index - 1) && isGap(index + 1));
}

/** Lines over time. A table with the same values can be read aloud and copied. */
export function Chart(props: ChartProps) {
  const { title, times, series, format, thresholds = [], onZoom, syncKey = 'page', height = 180 } = props;
  const element = useRef<HTMLDivElement>(null);
  const [isTable, setTable] = useState(false);
  const [themeCount, setThemeCount] = useState(0);
  const shown = useMemo(() => series.slice(0, MAX_SERIES), [series]);

  useEffect(() => {
    const redraw = () => setThemeCount((count) => count + 1);
    const observer = new MutationObserver(redraw);
    observer.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] });
    const media = matchMedia('(prefers-color-scheme: dark)');
    media.addEventListener('change', redraw);
    return () => {
      observer.disconnect();
      media.removeEventListener('change', redraw);
    };
  }, []);

  // biome-ignore lint/correctness/useExhaustiveDependencies: themeCount stands for the colours of the style sheet
  useEffect(() => {
    const host = element.current;
    if (!host || isTable) return;
    const style = getComputedStyle(host);
    const colour = (name: string) => style.getPropertyValue(name).trim();
    const axis = {
      stroke: colour('--muted'),
      font: `11px ${style.fontFamily}`,
      grid: { stroke: colour('--line'), width: 1 },
      ticks: { show: false },
    };
    const limits = thresholds.map(({ label, value }) => ({
      label,
      values: times.map(() => value),
      colour: colour('--bad'),
    }));
    const lines = [
      ...shown.map(({ name, values }, index) => ({
        label: name,
        values,
        colour: colour(`--series-${index + 1}`),
      })),
      ...limits,
    ];
    const plot = new uPlot(
      {
        width: host.clientWidth,
        height,
        cursor: { sync: { key: syncKey }, drag: { x: onZoom !== undefined, y: false, setScale: false } },
        legend: { live: true },
        scales: { y: { range: (_, __, max) => [0, max > 0 ? max * 1.05 : 1] } },
        axes: [axis, { ...axis, size: 60, values: (_, ticks) => ticks.map((tick) => format(tick)) }],
        series: [
          {},
          ...lines.map(({ label, colour: stroke }) => ({
            label,
            stroke,
            width: 1.5,
            spanGaps: false,
            points: { show: true, size: 5, filter: isolated },
            value: (_: uPlot, value: number | null) => format(value),
          })),
        ],
        hooks: {
          setSelect: [
            (self) => {
              const { left, width } = self.select;
              if (!onZoom || width < 4) return;
              onZoom(self.posToVal(left, 'x') * 1_000, self.posToVal(left + width, 'x') * 1_000);
              self.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
            },
          ],
        },
      },
      [times.map((time) => time / 1_000), ...lines.map(({ values }) => [...values])],
      host,
    );
    const observer = new ResizeObserver(() => plot.setSize({ width: host.clientWidth, height }));
    observer.observe(host);
    return () => {
      observer.disconnect();
      plot.destroy();
    };
  }, [times, shown, thresholds, format, height, syncKey, onZoom, isTable, themeCount]);

  const csv = useMemo(() => csvOf(times, series), [times, series]);
  return (
    <figure className="rounded border border-line bg-panel min-w-0">
      <figcaption className="flex items-center gap-1 border-b border-line pl-3 pr-1 min-h-9">
        <span className="font-semibold grow">{title}</span>
        <Button variant="quiet" onClick={() => setTable(!isTable)}>
          {isTable ? 'Chart' : 'Table'}
        </Button>
        <CopyButton text={csv} label="Copy CSV" />
      </figcaption>
      {isTable ? (
        <ChartTable {...{ title, times, series, format }} />
      ) : (
        <div
          ref={element}
          role="img"
          aria-label={`${title}; the same as a table: button Table`}
          className="p-2"
        />
      )}
    </figure>
  );
}

function ChartTable({
  title,
  times,
  series,
  format,
}: Pick<ChartProps, 'title' | 'times' | 'series' | 'format'>) {
  return (
    <div className="max-h-64 overflow-auto" tabIndex={0}>
      <table className="w-full">
        <caption className="sr-only">{title}</caption>
        <thead>
          <tr>
            <th scope="col" className="text-left px-3 font-medium">
              Time
            </th>
            {series.map(({ name }) => (
              <th key={name} scope="col" className="text-right px-3 font-medium">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {times.map((time, row) => (
            <tr key={time} className="border-t border-line">
              <th scope="row" className="text-left px-3 font-normal whitespace-nowrap">
                {new Date(time).toLocaleString()}
              </th>
              {series.map(({ name, values }) => (
                <td key={name} className="text-right px-3">
                  {format(values[row] ?? null)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function csvOf(times: readonly number[], series: readonly Series[]): string {
  const quoted = (text: string) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const head = ['time', ...series.map(({ name }) => quoted(name))].join(',');
  const lines = times.map((time, row) =>
    [new Date(time).toISOString(), ...series.map(({ values }) => values[row] ?? '')].join(','),
  );
  return [head, ...lines].join('\n');
}

/** A line in a small space, without axes; the number beside it says the value. */
export function Sparkline({
  values,
  label,
}: {
  readonly values: readonly (number | null)[];
  readonly label: string;
}) {
  const known = values.filter((value) => value !== null);
  const max = Math.max(...known, 0) || 1;
  const step = values.length > 1 ? 100 / (values.length - 1) : 0;
  const points = values.flatMap((value, index) =>
    value === null ? [] : [`${(index * step).toFixed(1)},${(24 - (value / max) * 22).toFixed(1)}`],
  );
  return (
    <svg viewBox="0 0 100 26" preserveAspectRatio="none" className="w-full h-6" role="img" aria-label={label}>
      <polyline
        points={points.join(' ')}
        fill="none"
        stroke="var(--accent)"
        strokeWidth="1.5"
        vectorEffect="non-scaling-stroke"
      />
    </svg>
  );
}
