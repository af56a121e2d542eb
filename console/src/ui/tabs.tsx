import { usePageSearch } from '../lib/search.ts';
import { classes } from './classes.ts';

/** Parts of a page, by name in the URL. */
export function Tabs({
  label,
  tabs,
  name = 'tab',
}: {
  readonly label: string;
  readonly tabs: readonly { readonly id: string; readonly label: string }[];
  /** Member of the URL's query. */
  readonly name?: string;
}) {
  const [search, change] = usePageSearch();
  const active = search[name] ?? tabs[0]?.id;
  return (
    <nav aria-label={label} className="flex flex-wrap gap-1 border-b border-line">
      {tabs.map(({ id, label: text }) => (
        <button
          key={id}
          type="button"
          aria-current={id === active ? 'page' : undefined}
          onClick={() => change({ [name]: id }, true)}
          className={classes(
            'px-3 h-9 -mb-px border-b-2',
            id === active ? 'border-accent font-semibold' : 'border-transparent text-muted hover:text-text',
          )}
        >
          {text}
        </button>
      ))}
    </nav>
  );
}
