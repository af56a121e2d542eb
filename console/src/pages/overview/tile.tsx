import { Link } from '@tanstack/react-router';
import { number, percent } from '../../lib/format.ts';
import { usePageSearch } from '../../lib/search.ts';
import { Sparkline } from '../../ui/chart.tsx';
import { classes } from '../../ui/classes.ts';

export interface TileProps {
  readonly title: string;
  readonly value: string;
  readonly note?: string;
  readonly trend: readonly (number | null)[];
  /** Against the same time a week before, as a share. */
  readonly change: number | undefined;
  readonly isGood: 'more' | 'less' | 'neither';
  readonly tone?: 'bad' | undefined;
  /** Filters of the requests behind the figure; without them, no page shows these. */
  readonly filters?: Readonly<Record<string, string>> | undefined;
}

/** Changes from which a multiple says more than a percentage. */
const MANY = 9;

/** A figure with its course and its change. */
export function Tile({ title, value, note, trend, change, isGood, tone, filters }: TileProps) {
  const [{ range, from, to }] = usePageSearch();
  const isWorse =
    change !== undefined && ((isGood === 'less' && change > 0.1) || (isGood === 'more' && change < -0.1));
  return (
    <section className="rounded border border-line bg-panel p-3 min-w-0">
      <h2 className="text-muted">{title}</h2>
      <p className={classes('text-xl font-semibold', tone === 'bad' && 'text-bad')}>
        {filters ? (
          <Link
            to="/requests"
            search={{ range, from, to, ...filters }}
            title="Show these requests"
            className="hover:underline"
          >
            {value}
          </Link>
        ) : (
          value
        )}
      </p>
      <p className="text-muted h-5">
        {change !== undefined && (
          <span className={isWorse ? 'text-warn' : undefined}>
            {change >= 0 ? '▴' : '▾'}{' '}
            {change >= MANY
              ? `${number(change + 1)} × last week`
              : `${percent(Math.abs(change))} to last week`}
          </span>
        )}
        {change === undefined && note}
      </p>
      <Sparkline values={trend} label={`${title} over the range`} />
    </section>
  );
}
