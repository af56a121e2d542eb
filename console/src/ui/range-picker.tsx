import { useMemo } from 'react';
import { usePageSearch } from '../lib/search.ts';
import { DEFAULT_RANGE, RANGES, rangeOf, rangeSearch, type TimeRange } from '../lib/time-range.ts';
import { Button } from './button.tsx';
import { useNow } from './time.tsx';

/** The range of time that the page shows; it moves with the clock. */
export function useRange(): TimeRange {
  const [search] = usePageSearch();
  const now = useNow(30_000);
  const { range, from, to } = rangeSearch(search);
  return useMemo(() => rangeOf({ range, from, to }, now), [range, from, to, now]);
}

/** Chooses the range; a part that was selected in a chart is shown with its ends. */
export function RangePicker() {
  const [search, change] = usePageSearch();
  const { range, from, to } = rangeSearch(search);
  if (from !== undefined && to !== undefined) {
    return (
      <span className="flex items-center gap-1">
        <span className="text-muted">
          {new Date(from).toLocaleString()} to {new Date(to).toLocaleString()}
        </span>
        <Button variant="quiet" onClick={() => change({ from: undefined, to: undefined }, true)}>
          Back to the last {range ?? DEFAULT_RANGE}
        </Button>
      </span>
    );
  }
  return (
    <select
      aria-label="Range of time"
      className="rounded border border-line bg-panel h-8 px-2"
      value={range ?? DEFAULT_RANGE}
      onChange={({ target }) => change({ range: target.value }, true)}
    >
      {Object.keys(RANGES).map((name) => (
        <option key={name} value={name}>
          last {name}
        </option>
      ))}
    </select>
  );
}
