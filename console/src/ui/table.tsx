import { useVirtualizer } from '@tanstack/react-virtual';
import { type KeyboardEvent, type ReactNode, useEffect, useRef, useState } from 'react';
import { Button } from './button.tsx';
import { classes } from './classes.ts';

export interface Column<Row> {
  readonly id: string;
  readonly header: string;
  readonly cell: (row: Row) => ReactNode;
  /** A CSS track, such as `12rem` or `minmax(10rem, 1fr)`. */
  readonly width?: string;
  /** Numbers are aligned to the right. */
  readonly isNumber?: boolean;
  /** The server sorts by it. */
  readonly sort?: string;
  /** Not shown until it is chosen. */
  readonly isHidden?: boolean;
}

export interface Sorting {
  readonly by: string;
  readonly isDescending: boolean;
}

export interface TableProps<Row> {
  /** For readers. */
  readonly label: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly rowKey: (row: Row) => string;
  readonly onOpen?: ((row: Row) => void) | undefined;
  readonly sorting?: Sorting | undefined;
  readonly onSort?: ((sorting: Sorting) => void) | undefined;
  /** Loads the next page; called when its end is near. */
  readonly onEnd?: (() => void) | undefined;
  readonly isLoadingMore?: boolean;
  /** CSS height of the list; it scrolls within. */
  readonly height?: string;
}

const ROW_HEIGHT = 34;
const NEAR_END = 20;
/** Columns from which they can be chosen. */
const MIN_CHOSEN = 6;

/** Rows that a key moves by. */
const STEPS: Readonly<Record<string, number>> = {
  ...{ ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10 },
  ...{ Home: Number.NEGATIVE_INFINITY, End: Number.POSITIVE_INFINITY },
};

/**
 * A virtual list with a header that stays: ten thousand rows cost as much as thirty. Tab reaches one row; arrows, Home, End
 * and the keys for pages reach the others.
 */
export function DataTable<Row>({
  label,
  columns,
  rows,
  rowKey,
  onOpen,
  sorting,
  onSort,
  onEnd,
  isLoadingMore = false,
  height = 'min(70vh, 48rem)',
}: TableProps<Row>) {
  const scroller = useRef<HTMLDivElement>(null);
  const [hidden, setHidden] = useState<ReadonlySet<string>>(
    () => new Set(columns.filter(({ isHidden }) => isHidden).map(({ id }) => id)),
  );
  const shown = columns.filter(({ id }) => !hidden.has(id));
  const template = shown.map(({ width }) => width ?? 'minmax(7rem, 1fr)').join(' ');
  const virtualizer = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    overscan: 12,
    // The header that stays covers as much of the end of the list.
    scrollPaddingEnd: ROW_HEIGHT,
    onChange: ({ range }) => {
      if (onEnd && range && range.endIndex >= rows.length - NEAR_END) onEnd();
    },
  });
  const toggle = (id: string) => {
    const next = new Set(hidden);
    if (!next.delete(id)) next.add(id);
    setHidden(next);
  };
  const items = virtualizer.getVirtualItems();
  const [active, setActive] = useState(0);
  /** The row that gets the focus when it is there. */
  const wanted = useRef<number>(undefined);
  // The active row may be scrolled out of sight.
  const reachable = items.some(({ index }) => index === active) ? active : items[0]?.index;
  // biome-ignore lint/correctness/useExhaustiveDependencies: the row appears with the items that are rendered
  useEffect(() => {
    if (wanted.current === undefined) return;
    const row = scroller.current?.querySelector<HTMLElement>(`[aria-rowindex="${wanted.current + 2}"]`);
    if (!row) return;
    wanted.current = undefined;
    row.focus({ preventScroll: true });
  }, [items, active]);
  const onRowKey = (event: KeyboardEvent, row: Row, index: number) => {
    const step = STEPS[event.key];
    if (step !== undefined) {
      event.preventDefault();
      const next = Math.max(0, Math.min(rows.length - 1, index + step));
      wanted.current = next;
      setActive(next);
      virtualizer.scrollToIndex(next);
    } else if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault();
      onOpen?.(row);
    }
  };
  return (
    <div className="flex flex-col gap-1">
      <details className={classes('self-end relative', columns.length < MIN_CHOSEN && 'hidden')}>
        <summary className="cursor-pointer text-muted px-2">Columns</summary>
        <div className="absolute right-0 z-10 rounded border border-line bg-panel p-2 flex flex-col gap-1">
          {columns.map(({ id, header }) => (
            <label key={id} className="flex gap-2 whitespace-nowrap">
              <input type="checkbox" checked={!hidden.has(id)} onChange={() => toggle(id)} /> {header}
            </label>
          ))}
        </div>
      </details>
      <div
        ref={scroller}
        tabIndex={0}
        role="table"
        aria-label={label}
        aria-rowcount={rows.length + 1}
        className="overflow-auto rounded border border-line bg-panel"
        style={{ maxHeight: height }}
      >
        {/* As wide as the header wants to be, so that header and rows have the same columns. */}
        <div role="presentation" className="w-max min-w-full">
          <div role="rowgroup" className="sticky top-0 z-[1] bg-raised border-b border-line">
            <div role="row" className="grid" style={{ gridTemplateColumns: template }}>
              {shown.map(({ id, header, isNumber, sort }) => (
                <div
                  key={id}
                  role="columnheader"
                  aria-sort={sort !== undefined && sorting?.by === sort ? direction(sorting) : undefined}
                  className={classes('px-2 h-8 flex items-center font-medium', isNumber && 'justify-end')}
                >
                  {sort !== undefined && onSort ? (
                    <Button
                      variant="quiet"
                      className="px-1 -mx-1 h-6"
                      onClick={() =>
                        onSort({
                          by: sort,
                          isDescending: sorting?.by === sort ? !sorting.isDescending : true,
                        })
                      }
                    >
                      {header}
                      {sorting?.by === sort && (
                        <span aria-hidden="true">{sorting.isDescending ? '↓' : '↑'}</span>
                      )}
                    </Button>
                  ) : (
                    header
                  )}
                </div>
              ))}
            </div>
          </div>
          <div role="rowgroup" className="relative" style={{ height: virtualizer.getTotalSize() }}>
            {items.map(({ index, start }) => {
              const row = rows[index];
              if (row === undefined) return null;
              return (
                <div
                  key={rowKey(row)}
                  role="row"
                  aria-rowindex={index + 2}
                  tabIndex={onOpen && (index === reachable ? 0 : -1)}
                  onFocus={() => setActive(index)}
                  onClick={onOpen && (() => onOpen(row))}
                  onKeyDown={onOpen && ((event) => onRowKey(event, row, index))}
                  className={classes(
                    'absolute inset-x-0 grid items-center border-b border-line',
                    onOpen && 'hover:bg-raised cursor-pointer focus-visible:-outline-offset-2',
                  )}
                  style={{
                    transform: `translateY(${start}px)`,
                    height: ROW_HEIGHT,
                    gridTemplateColumns: template,
                  }}
                >
                  {shown.map(({ id, cell, isNumber }) => (
                    <div key={id} role="cell" className={classes('px-2 truncate', isNumber && 'text-right')}>
                      {cell(row)}
                    </div>
                  ))}
                </div>
              );
            })}
          </div>
        </div>
        {isLoadingMore && <p className="p-2 text-muted">Loading more ...</p>}
      </div>
    </div>
  );
}

function direction({ isDescending }: Sorting): 'ascending' | 'descending' {
  return isDescending ? 'descending' : 'ascending';
}
