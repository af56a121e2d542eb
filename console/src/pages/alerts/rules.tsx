import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { type AlertRule, alertsPath, SEVERITY_TONES } from '../../lib/alerts.ts';
import { api, pathOf } from '../../lib/api.ts';
import { count, number, time } from '../../lib/format.ts';
import { useSession } from '../../lib/session.tsx';
import { Button } from '../../ui/button.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { Badge, ErrorPanel, Skeleton } from '../../ui/feedback.tsx';
import { CheckField, SelectField, TextField } from '../../ui/field.tsx';
import { FormEnd, useForm } from '../../ui/form.tsx';
import { type Column, DataTable } from '../../ui/table.tsx';

const SOURCES: Readonly<Record<AlertRule['source'], string>> = {
  built_in: 'Weir',
  config: 'configuration',
  platform: 'platform',
  tenant: 'tenant',
};

const COLUMNS: readonly Column<AlertRule>[] = [
  {
    id: 'id',
    header: 'Rule',
    cell: ({ id }) => <code className="font-mono">{id}</code>,
    width: 'minmax(11rem, 2fr)',
  },
  {
    ...{ id: 'severity', header: 'Severity', width: '7rem' },
    cell: ({ enabled, severity }) =>
      enabled ? <Badge tone={SEVERITY_TONES[severity]}>{severity}</Badge> : <Badge>off</Badge>,
  },
  {
    ...{ id: 'above', header: 'Fires above', width: 'minmax(9rem, 1fr)' },
    cell: ({ above, unit }) => `${number(above)} ${unit}`,
  },
  { id: 'for', header: 'For', cell: (rule) => (rule.for === '0ms' ? 'at once' : rule.for), width: '6rem' },
  { id: 'model', header: 'Model', cell: ({ model }) => model ?? 'all', width: '9rem' },
  { id: 'source', header: 'Set by', cell: ({ source }) => SOURCES[source], width: '8rem' },
];

/** The rules that hold for a tenant, or those of the installation. */
export function Rules({ tenant }: { readonly tenant: string | undefined }) {
  const { can } = useSession();
  const [opened, setOpened] = useState<AlertRule>();
  const path = alertsPath(tenant, 'alert-rules');
  const { data, error, refetch } = useQuery({
    queryKey: ['list', path],
    queryFn: ({ signal }) => api.get<{ readonly data: readonly AlertRule[] }>(path, { signal }),
  });
  const mayWrite = tenant === undefined ? can('platform:write') : can('alerts:write', tenant);
  return (
    <div className="flex flex-col gap-3">
      <p className="text-muted">
        {tenant === undefined
          ? 'They hold for the installation, and for each tenant that has no rule of its own with the same name.'
          : 'Rules of the tenant replace those of the installation with the same name.'}
      </p>
      {error ? (
        <ErrorPanel what="The rules could not be read" error={error} retry={() => void refetch()} />
      ) : data ? (
        <DataTable
          label="Rules"
          columns={COLUMNS}
          rows={data.data}
          rowKey={({ id }) => id}
          onOpen={(rule) => setOpened(rule)}
        />
      ) : (
        <Skeleton className="h-64" />
      )}
      {opened && (
        <RuleDialog
          key={opened.id}
          tenant={tenant}
          rule={opened}
          mayWrite={mayWrite}
          onClose={() => setOpened(undefined)}
        />
      )}
    </div>
  );
}

function RuleDialog({
  tenant,
  rule,
  mayWrite,
  onClose,
}: {
  readonly tenant: string | undefined;
  readonly rule: AlertRule;
  readonly mayWrite: boolean;
  readonly onClose: () => void;
}) {
  const client = useQueryClient();
  const [draft, setDraft] = useState({
    ...{ above: String(rule.above), for: rule.for, window: rule.window, severity: rule.severity },
    ...{ model: rule.model ?? '', min_requests: String(rule.min_requests), enabled: rule.enabled },
  });
  const body = () => ({
    ...{ kind: rule.kind, metric: rule.metric, severity: draft.severity, enabled: draft.enabled },
    ...{ above: Number(draft.above), for: draft.for, window: draft.window, keep_firing: rule.keep_firing },
    min_requests: Number(draft.min_requests),
    ...(draft.model !== '' && { model: draft.model }),
  });
  const path = pathOf(alertsPath(tenant, 'alert-rules'), rule.id);
  const form = useForm(async () => {
    await api.put(path, body());
    onClose();
  }, ['above', 'for', 'window', 'model', 'min_requests']);
  const reset = useForm(async () => {
    await api.delete(path);
    await client.invalidateQueries();
    onClose();
  });
  const text = (name: 'above' | 'for' | 'window' | 'model' | 'min_requests', label: string, hint: string) => (
    <TextField
      label={label}
      hint={hint}
      value={draft[name]}
      disabled={!mayWrite}
      error={form.errorOf(name)}
      onChange={({ target }) => setDraft({ ...draft, [name]: target.value })}
    />
  );
  const isOwn = rule.source === (tenant === undefined ? 'platform' : 'tenant');
  return (
    <Dialog isOpen onClose={onClose} title={rule.id} description={`Set by: ${SOURCES[rule.source]}`} isWide>
      <form onSubmit={form.onSubmit} className="flex flex-col gap-3">
        <div className="grid sm:grid-cols-2 gap-3">
          {text('above', 'Fires above', `In ${rule.unit}`)}
          <SelectField
            label="Severity"
            options={['info', 'warning', 'critical'].map((value) => ({ value, label: value }))}
            value={draft.severity}
            disabled={!mayWrite}
            onChange={({ target }) =>
              setDraft({
                ...draft,
                severity:
                  target.value === 'critical' ? 'critical' : target.value === 'info' ? 'info' : 'warning',
              })
            }
          />
          {text('for', 'For', 'How long its condition has to hold, such as 5m')}
          {text('window', 'Window', 'The time that is measured, in whole minutes')}
          {text('min_requests', 'Requests at least', 'Fewer say nothing')}
          {text('model', 'Model', 'Empty for all')}
        </div>
        <CheckField
          label="Evaluate this rule"
          checked={draft.enabled}
          disabled={!mayWrite}
          onChange={({ target }) => setDraft({ ...draft, enabled: target.checked })}
        />
        {tenant !== undefined && <LastWeek tenant={tenant} body={() => ({ id: rule.id, ...body() })} />}
        {mayWrite ? (
          <FormEnd state={form} action="Save" onCancel={onClose} what="The rule was not saved" />
        ) : (
          <p className="text-muted">Owners and admins change rules.</p>
        )}
      </form>
      {mayWrite && isOwn && (
        <form onSubmit={reset.onSubmit} className="mt-2">
          <Button type="submit" isBusy={reset.isBusy}>
            Remove this change
          </Button>
          {reset.error !== undefined && <ErrorPanel what="It was not removed" error={reset.error} />}
        </form>
      )}
    </Dialog>
  );
}

interface DryRun {
  readonly insufficient_history: number;
  readonly alerts: readonly {
    readonly fired_at: string;
    readonly resolved_at: string | null;
    readonly summary: string;
  }[];
}

/** What the rule, as it is typed, would have found. */
function LastWeek({ tenant, body }: { readonly tenant: string; readonly body: () => unknown }) {
  const [run, setRun] = useState<DryRun>();
  const [thrown, setThrown] = useState<unknown>();
  const [isBusy, setBusy] = useState(false);
  const start = () => {
    setBusy(true);
    setThrown(undefined);
    api
      .post<DryRun>(`${alertsPath(tenant, 'alert-rules')}/dry-run`, body())
      .then(setRun)
      .catch(setThrown)
      .finally(() => setBusy(false));
  };
  return (
    <div className="flex flex-col gap-2">
      <Button className="self-start" onClick={start} isBusy={isBusy}>
        Try it on the last week
      </Button>
      {thrown !== undefined && <ErrorPanel what="It could not be tried" error={thrown} />}
      {run && (
        <div role="status">
          <p className="font-medium">
            It would have fired {count(run.alerts.length, 'time')} in the last week.
          </p>
          {run.insufficient_history > 0 && (
            <p className="text-muted">
              {count(run.insufficient_history, 'hour')} had too little history to compare with.
            </p>
          )}
          <ul className="list-disc pl-5">
            {run.alerts.slice(0, 10).map(({ fired_at: from, resolved_at: to, summary }) => (
              <li key={`${from} ${summary}`}>
                {time(from)} to {to === null ? 'now' : time(to)}: {summary}
              </li>
            ))}
          </ul>
        </div>
      )}
    </div>
  );
}
