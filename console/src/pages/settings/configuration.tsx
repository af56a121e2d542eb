import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useMemo } from 'react';
import { api } from '../../lib/api.ts';
import { count } from '../../lib/format.ts';
import { usePageSearch } from '../../lib/search.ts';
import { CopyButton } from '../../ui/copy.tsx';
import { Drawer } from '../../ui/dialog.tsx';
import { Empty, ErrorPanel, Skeleton } from '../../ui/feedback.tsx';
import { SelectField, TextField } from '../../ui/field.tsx';
import { type Column, DataTable } from '../../ui/table.tsx';

interface ValueSource {
  readonly from: 'file' | 'environment' | 'admin';
  readonly line: number | null;
  readonly variables: readonly string[];
}

interface ActiveConfig {
  readonly file: string | null;
  readonly overlay_rejected: string | null;
  readonly config: Readonly<Record<string, unknown>>;
  readonly sources: Readonly<Record<string, ValueSource>>;
}

interface Value {
  readonly path: string;
  readonly text: string;
  /** Undefined for defaults. */
  readonly source: ValueSource | undefined;
}

const SOURCES = [
  { value: '', label: 'set somewhere' },
  { value: 'file', label: 'the file' },
  { value: 'environment', label: 'the environment' },
  { value: 'admin', label: 'the console' },
  { value: 'default', label: 'defaults' },
  { value: 'all', label: 'all' },
] as const;

const PLAIN_KEY = /^[A-Za-z_][A-Za-z0-9_-]*$/;

/** Every value with its path, as the gateway writes it: `models[0].id`. */
function valuesOf(value: unknown, sources: ActiveConfig['sources'], path = ''): Value[] {
  if (typeof value === 'object' && value !== null && Object.keys(value).length > 0) {
    return Object.entries(value).flatMap(([name, inner]) => {
      if (Array.isArray(value)) return valuesOf(inner, sources, `${path}[${name}]`);
      if (!PLAIN_KEY.test(name)) return valuesOf(inner, sources, `${path}[${JSON.stringify(name)}]`);
      return valuesOf(inner, sources, path === '' ? name : `${path}.${name}`);
    });
  }
  return [{ path, text: typeof value === 'string' ? value : JSON.stringify(value), source: sources[path] }];
}

const fileName = (file: string) => file.split(/[\\/]/).at(-1) ?? file;

/** `weir.yaml, line 12`, `variable SERVER_PORT`, `console`, `default`. */
function sourceText(source: ValueSource | undefined, file: string | null): string {
  if (!source) return 'default';
  const { from, line, variables } = source;
  if (from === 'admin') return 'console';
  if (from === 'environment') return `variable ${variables.join(', ')}`;
  const place = `${fileName(file ?? 'file')}, line ${line}`;
  return variables.length === 0 ? place : `${place}, with ${variables.join(', ')}`;
}

/** The active configuration: each value, and where it comes from. */
export function Configuration() {
  const [search, change] = usePageSearch();
  const { data, error, refetch } = useQuery({
    queryKey: ['config', 'active'],
    queryFn: ({ signal }) => api.get<ActiveConfig>('/admin/v1/config', { signal }),
  });
  const values = useMemo(() => (data ? valuesOf(data.config, data.sources) : []), [data]);
  if (error) {
    return (
      <ErrorPanel what="The configuration could not be read" error={error} retry={() => void refetch()} />
    );
  }
  if (!data) return <Skeleton className="h-96" />;
  const wanted = (search.find ?? '').trim().toLowerCase();
  const from = search.source ?? (wanted === '' ? '' : 'all');
  const found = values.filter(
    ({ path, text, source }) =>
      (from === 'all' || (from === '' ? source !== undefined : (source?.from ?? 'default') === from)) &&
      (path.toLowerCase().includes(wanted) || text.toLowerCase().includes(wanted)),
  );
  const columns: readonly Column<Value>[] = [
    {
      ...{ id: 'path', header: 'Key', width: 'minmax(16rem, 2fr)' },
      cell: ({ path }) => <code className="font-mono">{path}</code>,
    },
    {
      ...{ id: 'value', header: 'Value', width: 'minmax(10rem, 2fr)' },
      cell: ({ text }) => <code className="font-mono">{text}</code>,
    },
    {
      ...{ id: 'source', header: 'From', width: 'minmax(12rem, 1fr)' },
      cell: ({ source }) => sourceText(source, data.file),
    },
  ];
  const opened = values.find(({ path }) => path === search.value);
  return (
    <div className="flex flex-col gap-3">
      {data.overlay_rejected && (
        <ErrorPanel
          what="What was changed here does not fit the file, which is used alone"
          error={new Error(data.overlay_rejected)}
        />
      )}
      <p>
        {data.file === null ? (
          'No file: environment variables and defaults, with what was changed here.'
        ) : (
          <>
            The file{' '}
            <code className="font-mono" title={data.file}>
              {fileName(data.file)}
            </code>
            , environment variables and defaults, with what was changed here.
          </>
        )}{' '}
        Times are milliseconds, sizes bytes; secrets are hidden. Providers and models are changed under{' '}
        <Link to="/models" className="underline text-accent">
          Models
        </Link>
        , everything else in the file, which is read again when it changes.
      </p>
      <div className="flex flex-wrap gap-3 items-end">
        <TextField
          label="Find"
          placeholder="a key or a value"
          value={search.find ?? ''}
          onChange={({ target }) => change({ find: target.value === '' ? undefined : target.value })}
        />
        <SelectField
          label="From"
          options={SOURCES}
          value={from}
          onChange={({ target }) => change({ source: target.value === '' ? undefined : target.value })}
        />
        <p role="status" className="h-8 flex items-center text-muted">
          {count(found.length, 'value')}
        </p>
        <span className="ml-auto">
          <CopyButton text={JSON.stringify(data.config, undefined, 2)} label="Copy all as JSON" />
        </span>
      </div>
      {found.length === 0 ? (
        <Empty title="No value matches. Choose another source, or shorten what is looked for." />
      ) : (
        <DataTable
          label="Configuration"
          columns={columns}
          rows={found}
          rowKey={({ path }) => path}
          onOpen={({ path }) => change({ value: path }, true)}
        />
      )}
      {opened && (
        <Drawer
          isOpen
          onClose={() => change({ value: undefined }, true)}
          title={opened.path}
          description={`From: ${sourceText(opened.source, data.file)}`}
        >
          <div className="flex flex-col gap-3">
            <pre className="font-mono whitespace-pre-wrap break-all rounded border border-line bg-panel p-3">
              {opened.text}
            </pre>
            <p>{howToChange(opened)}</p>
          </div>
        </Drawer>
      )}
    </div>
  );
}

function howToChange({ path, source }: Value): string {
  if (/^(providers|models)\[/.test(path)) {
    return 'Change it under Models: the change is stored in the control database, and active at once.';
  }
  if (source?.from === 'environment') {
    return 'An environment variable sets it: change it there, and start the gateway again. The file does not override it.';
  }
  return 'Set it in the file: the gateway reads it again when it changes, and tells what needs a restart.';
}
