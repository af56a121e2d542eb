import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { type FormEvent, useState } from 'react';
import { ApiError, api } from '../../lib/api.ts';
import { count, number } from '../../lib/format.ts';
import { useSession } from '../../lib/session.tsx';
import { Button } from '../../ui/button.tsx';
import { Badge, ErrorPanel } from '../../ui/feedback.tsx';
import { SelectField, TextArea, TextField } from '../../ui/field.tsx';
import { Panel } from '../../ui/page.tsx';
import { type Column, DataTable } from '../../ui/table.tsx';

interface Outcome {
  readonly guardrail: string;
  readonly outcome: string;
}

interface TrialResult {
  readonly blocked: boolean;
  readonly results?: readonly (Outcome & {
    readonly kind: string;
    readonly score: number;
    readonly findings: Readonly<Record<string, number>>;
    readonly error?: string;
  })[];
  readonly text?: string;
  readonly requests?: number;
  readonly blocked_requests?: number;
  readonly outcomes?: readonly (Outcome & { readonly requests: number })[];
  readonly examples?: readonly (Outcome & {
    readonly id: string;
    readonly findings: Readonly<Record<string, number>>;
  })[];
}

const DIRECTIONS = [
  { value: 'input', label: 'Message of a user' },
  { value: 'output', label: 'Response of a model' },
  { value: 'tool_call', label: 'Call of a tool' },
  { value: 'tool_result', label: 'Result of a tool' },
];
const SOURCES = [
  { value: 'text', label: 'A text' },
  { value: 'logged', label: 'Logged requests' },
];
const EXAMPLE = '[{"id": "pii", "kind": "pii", "action": "redact"}]';
const DEFAULT_TENANT = 'default';

/** Shows what guardrails do with a text, or would have done with logged requests, before they are enforced. */
export function GuardrailTrial() {
  const { tenant, can } = useSession();
  const of = tenant ?? DEFAULT_TENANT;
  const [source, setSource] = useState('text');
  const [text, setText] = useState('');
  const [direction, setDirection] = useState('input');
  const [days, setDays] = useState('7');
  const [limit, setLimit] = useState('200');
  const [rules, setRules] = useState('');
  const [rulesError, setRulesError] = useState<string>();
  const [result, setResult] = useState<TrialResult>();
  const [error, setError] = useState<unknown>();
  const [isBusy, setBusy] = useState(false);
  const log = useQuery({
    queryKey: ['tenant', of],
    queryFn: () =>
      api.request<{ readonly request_log?: { readonly days: number } | null }>(
        'GET',
        `/admin/v1/tenants/${of}`,
      ),
    enabled: source === 'logged',
    retry: false,
  });
  if (!can('requests:read', of)) return null;
  const run = (event: FormEvent) => {
    event.preventDefault();
    let guardrails: unknown;
    try {
      guardrails = rules.trim() === '' ? undefined : JSON.parse(rules);
      setRulesError(undefined);
    } catch (thrown) {
      setRulesError(thrown instanceof Error ? thrown.message : 'must be JSON');
      return;
    }
    setBusy(true);
    setError(undefined);
    setResult(undefined);
    api
      .post<TrialResult>(`/admin/v1/tenants/${of}/guardrails/test`, {
        ...(source === 'text'
          ? { text, direction }
          : { logged: { days: Number(days), limit: Number(limit) } }),
        ...(guardrails === undefined ? {} : { guardrails }),
      })
      .then(setResult)
      .catch((thrown: unknown) => {
        const isOfRules = thrown instanceof ApiError && thrown.param?.startsWith('guardrails');
        if (isOfRules) setRulesError(thrown.message);
        else setError(thrown);
      })
      .finally(() => setBusy(false));
  };
  return (
    <Panel title="Try before enforcing">
      <form onSubmit={run} className="flex flex-col gap-3">
        <div className="flex flex-wrap gap-3 items-end">
          <div className="w-44">
            <SelectField
              label="Check"
              options={SOURCES}
              value={source}
              onChange={({ target }) => setSource(target.value)}
            />
          </div>
          {source === 'text' ? (
            <div className="w-52">
              <SelectField
                label="It is a"
                options={DIRECTIONS}
                value={direction}
                onChange={({ target }) => setDirection(target.value)}
              />
            </div>
          ) : (
            <>
              <div className="w-32">
                <TextField
                  label="Of the last days"
                  type="number"
                  min={1}
                  max={31}
                  required
                  value={days}
                  onChange={({ target }) => setDays(target.value)}
                />
              </div>
              <div className="w-40">
                <TextField
                  label="The newest, at most"
                  type="number"
                  min={1}
                  max={1_000}
                  required
                  value={limit}
                  onChange={({ target }) => setLimit(target.value)}
                />
              </div>
            </>
          )}
        </div>
        {source === 'text' && (
          <TextArea label="Text" required value={text} onChange={({ target }) => setText(target.value)} />
        )}
        {source === 'logged' && log.data && !log.data.data.request_log && (
          <p>
            <Badge tone="warn">no log</Badge> {of} logs no prompts and responses, so there is nothing to
            check. A{' '}
            <Link to="/requests" className="underline text-accent">
              request
            </Link>
            , opened, shows how to turn the log on.
          </p>
        )}
        <TextArea
          label="Guardrails (JSON)"
          hint="Empty: those that hold now, with those of the gateway."
          className="font-mono"
          spellCheck={false}
          placeholder={EXAMPLE}
          value={rules}
          onChange={({ target }) => setRules(target.value)}
          error={rulesError}
        />
        <div className="flex flex-wrap gap-3 items-center">
          <Button type="submit" variant="primary" isBusy={isBusy}>
            Try
          </Button>
          <span className="text-muted">
            Nothing is sent or counted. Guardrails that ask servers and models give no verdict here.
            {source === 'logged' && ' The log is redacted: personal data is no longer in it.'}
          </span>
        </div>
      </form>
      <div aria-live="polite" className="flex flex-col gap-3 mt-3">
        {error !== undefined && <ErrorPanel what="The guardrails could not be tried" error={error} />}
        {result?.results && <TextResult {...result} />}
        {result?.requests !== undefined && <LogResult tenant={of} {...result} />}
      </div>
    </Panel>
  );
}

const TONES: Readonly<Record<string, 'bad' | 'warn' | 'neutral'>> = {
  ...{ block: 'bad', error: 'bad', allow: 'neutral' },
};

function OutcomeBadge({ outcome }: { readonly outcome: string }) {
  return <Badge tone={TONES[outcome] ?? 'warn'}>{outcome}</Badge>;
}

const findingsText = (findings: Readonly<Record<string, number>>) =>
  Object.entries(findings)
    .map(([name, times]) => `${name.replaceAll('_', ' ')} ${times}`)
    .join(', ') || '–';

function TextResult({ blocked, results = [], text }: TrialResult) {
  type Row = (typeof results)[number];
  const columns: readonly Column<Row>[] = [
    { id: 'guardrail', header: 'Guardrail', cell: ({ guardrail }) => guardrail, width: 'minmax(9rem, 1fr)' },
    { id: 'kind', header: 'Kind', cell: ({ kind }) => kind, width: '7rem' },
    { id: 'outcome', header: 'Outcome', cell: (row) => <OutcomeBadge {...row} />, width: '8rem' },
    { id: 'score', header: 'Score', isNumber: true, cell: ({ score }) => score.toFixed(2), width: '5rem' },
    {
      ...{ id: 'findings', header: 'Found', width: 'minmax(12rem, 2fr)' },
      cell: ({ findings, error }) => error ?? findingsText(findings),
    },
  ];
  return (
    <>
      <p className="font-medium">
        {blocked ? 'The request would be blocked.' : 'The request would go on.'}
        {results.length === 0 && ' No guardrail holds for it.'}
      </p>
      {results.length > 0 && (
        <DataTable
          label="What each guardrail does"
          columns={columns}
          rows={results}
          rowKey={({ guardrail, kind }) => `${guardrail} ${kind}`}
          height="16rem"
        />
      )}
      {!blocked && text !== undefined && (
        <figure>
          <figcaption className="text-muted">As it would be sent on</figcaption>
          <pre className="font-mono rounded bg-raised p-2 whitespace-pre-wrap break-words">{text}</pre>
        </figure>
      )}
    </>
  );
}

function LogResult({
  tenant,
  requests = 0,
  blocked_requests: blocked = 0,
  outcomes = [],
  examples = [],
}: TrialResult & { readonly tenant: string }) {
  type OutcomeRow = (typeof outcomes)[number];
  type ExampleRow = (typeof examples)[number];
  const columns: readonly Column<OutcomeRow>[] = [
    { id: 'guardrail', header: 'Guardrail', cell: ({ guardrail }) => guardrail, width: 'minmax(9rem, 2fr)' },
    { id: 'outcome', header: 'Would have', cell: (row) => <OutcomeBadge {...row} />, width: '8rem' },
    {
      id: 'requests',
      header: 'Requests',
      isNumber: true,
      cell: (row) => number(row.requests),
      width: '7rem',
    },
    {
      ...{ id: 'share', header: 'Share', isNumber: true, width: '6rem' },
      cell: (row) => (requests === 0 ? '–' : `${((row.requests / requests) * 100).toFixed(1)}%`),
    },
  ];
  const exampleColumns: readonly Column<ExampleRow>[] = [
    {
      ...{ id: 'request', header: 'Request', width: 'minmax(12rem, 2fr)' },
      cell: ({ id }) => (
        <Link to="/requests" search={{ request: id, of: tenant }} className="underline text-accent font-mono">
          {id}
        </Link>
      ),
    },
    { id: 'guardrail', header: 'Guardrail', cell: ({ guardrail }) => guardrail },
    { id: 'outcome', header: 'Would have', cell: (row) => <OutcomeBadge {...row} />, width: '8rem' },
    {
      id: 'findings',
      header: 'Found',
      cell: ({ findings }) => findingsText(findings),
      width: 'minmax(10rem, 2fr)',
    },
  ];
  return (
    <>
      <p className="font-medium">
        {requests === 0
          ? 'No logged request in these days.'
          : `${number(blocked)} of ${count(requests, 'logged request')} would have been blocked.`}
        {requests > 0 && outcomes.length === 0 && ' No guardrail would have done anything.'}
      </p>
      {outcomes.length > 0 && (
        <DataTable
          label="What guardrails would have done"
          columns={columns}
          rows={outcomes}
          rowKey={({ guardrail, outcome }) => `${guardrail} ${outcome}`}
          height="16rem"
        />
      )}
      {examples.length > 0 && (
        <DataTable
          label="Requests that would have been changed or blocked"
          columns={exampleColumns}
          rows={examples}
          rowKey={({ id, guardrail, outcome }) => `${id} ${guardrail} ${outcome}`}
          height="24rem"
        />
      )}
    </>
  );
}
