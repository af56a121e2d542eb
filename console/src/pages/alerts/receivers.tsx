import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { type Alert, alertsPath, type Receiver } from '../../lib/alerts.ts';
import { api, pathOf } from '../../lib/api.ts';
import { useSession } from '../../lib/session.tsx';
import { Button } from '../../ui/button.tsx';
import { SecretOnce } from '../../ui/copy.tsx';
import { ConfirmDialog, Dialog } from '../../ui/dialog.tsx';
import { Badge, Empty, ErrorPanel, Skeleton } from '../../ui/feedback.tsx';
import { SelectField, TextField } from '../../ui/field.tsx';
import { FormEnd, useForm } from '../../ui/form.tsx';
import { type Column, DataTable } from '../../ui/table.tsx';
import { RelativeTime } from '../../ui/time.tsx';

const TYPES: Readonly<Record<Receiver['type'], string>> = {
  email: 'E-mail',
  slack: 'Slack',
  teams: 'Teams',
  pagerduty: 'PagerDuty',
  webhook: 'Webhook',
};

function ReceiverState({ receiver }: { readonly receiver: Receiver }) {
  if (!receiver.enabled) return <Badge>off</Badge>;
  return receiver.failing_since === null ? <Badge>on</Badge> : <Badge tone="bad">failing</Badge>;
}

const COLUMNS: readonly Column<Receiver>[] = [
  { id: 'name', header: 'Name', cell: ({ name }) => name, width: 'minmax(10rem, 2fr)' },
  { id: 'state', header: 'State', cell: (receiver) => <ReceiverState receiver={receiver} />, width: '6rem' },
  { id: 'type', header: 'Type', cell: ({ type }) => TYPES[type], width: '7rem' },
  {
    ...{ id: 'to', header: 'To', width: 'minmax(12rem, 2fr)' },
    cell: ({ to, url }) => (to.length > 0 ? to.join(', ') : (url ?? '–')),
  },
  { id: 'severity', header: 'From severity', cell: ({ severity }) => severity, width: '8rem' },
];

/** Who is notified. */
export function Receivers({ tenant }: { readonly tenant: string | undefined }) {
  const { can } = useSession();
  const [isCreating, setCreating] = useState(false);
  const [openedId, setOpenedId] = useState<string>();
  const path = alertsPath(tenant, 'alert-receivers');
  const { data, error, refetch } = useQuery({
    queryKey: ['list', path],
    queryFn: ({ signal }) => api.get<{ readonly data: readonly Receiver[] }>(path, { signal }),
  });
  const opened = data?.data.find(({ id }) => id === openedId);
  const mayWrite = tenant === undefined ? can('platform:write') : can('alerts:write', tenant);
  const create = mayWrite && (
    <Button variant="primary" onClick={() => setCreating(true)}>
      Add a receiver
    </Button>
  );
  return (
    <div className="flex flex-col gap-3">
      <div className="flex flex-wrap gap-3 items-center">
        <p className="text-muted grow">
          {tenant === undefined
            ? 'They are notified of alerts of the installation and of its tenants.'
            : 'They are notified of the alerts of this tenant.'}
        </p>
        {data && data.data.length > 0 && create}
      </div>
      {error ? (
        <ErrorPanel what="The receivers could not be read" error={error} retry={() => void refetch()} />
      ) : !data ? (
        <Skeleton className="h-48" />
      ) : data.data.length === 0 ? (
        <Empty
          title="Nobody is notified yet. Add mail, Slack, Teams, PagerDuty or a webhook."
          action={create}
        />
      ) : (
        <DataTable
          label="Receivers"
          columns={COLUMNS}
          rows={data.data}
          rowKey={({ id }) => id}
          onOpen={({ id }) => setOpenedId(id)}
        />
      )}
      {isCreating && <CreateReceiver path={path} onClose={() => setCreating(false)} />}
      {opened && (
        <ReceiverDialog
          key={opened.id}
          path={pathOf(path, opened.id)}
          receiver={opened}
          mayWrite={mayWrite}
          onClose={() => setOpenedId(undefined)}
        />
      )}
    </div>
  );
}

function CreateReceiver({ path, onClose }: { readonly path: string; readonly onClose: () => void }) {
  const [draft, setDraft] = useState({
    name: '',
    type: 'email',
    url: '',
    secret: '',
    to: '',
    severity: 'info',
  });
  const [secret, setSecret] = useState<string>();
  const form = useForm(async () => {
    const { name, type, url, to, severity } = draft;
    const made = await api.post<{ readonly secret: string | null }>(path, {
      ...{ name, type, severity },
      ...(url !== '' && { url }),
      ...(draft.secret !== '' && { secret: draft.secret }),
      ...(type === 'email' && { to: to.split(/[\s,]+/).filter(Boolean) }),
    });
    if (made.secret === null) onClose();
    else setSecret(made.secret);
  }, ['name', 'url', 'secret', 'to']);
  if (secret !== undefined) {
    return (
      <Dialog isOpen onClose={onClose} title="The receiver is ready">
        <div className="flex flex-col gap-3">
          <SecretOnce secret={secret} what="the secret" />
          <p>It verifies the signatures of messages.</p>
          <Button variant="primary" className="self-end" onClick={onClose}>
            Done
          </Button>
        </div>
      </Dialog>
    );
  }
  const text = (name: 'name' | 'url' | 'secret' | 'to', label: string, hint?: string) => (
    <TextField
      label={label}
      hint={hint}
      value={draft[name]}
      error={form.errorOf(name)}
      onChange={({ target }) => setDraft({ ...draft, [name]: target.value })}
    />
  );
  return (
    <Dialog isOpen onClose={onClose} title="Add a receiver">
      <form onSubmit={form.onSubmit} className="flex flex-col gap-3">
        {text('name', 'Name')}
        <SelectField
          label="Type"
          options={Object.entries(TYPES).map(([value, label]) => ({ value, label }))}
          value={draft.type}
          onChange={({ target }) => setDraft({ ...draft, type: target.value })}
        />
        {draft.type === 'email' && text('to', 'Addresses', 'At most ten, with commas between them')}
        {draft.type === 'pagerduty' && text('secret', 'Integration key', 'Of an Events API v2 integration')}
        {draft.type !== 'email' &&
          draft.type !== 'pagerduty' &&
          text('url', 'URL', 'It is stored sealed, and not shown again')}
        <SelectField
          label="From severity"
          options={(['info', 'warning', 'critical'] satisfies Alert['severity'][]).map((value) => ({
            ...{ value, label: value },
          }))}
          value={draft.severity}
          onChange={({ target }) => setDraft({ ...draft, severity: target.value })}
        />
        <FormEnd state={form} action="Add" onCancel={onClose} what="The receiver was not added" />
      </form>
    </Dialog>
  );
}

interface TestResult {
  readonly delivered: boolean;
  readonly error: string | null;
  readonly duration_ms: number;
}

function ReceiverDialog({
  path,
  receiver,
  mayWrite,
  onClose,
}: {
  readonly path: string;
  readonly receiver: Receiver;
  readonly mayWrite: boolean;
  readonly onClose: () => void;
}) {
  const client = useQueryClient();
  const [result, setResult] = useState<TestResult>();
  const [isDeleting, setDeleting] = useState(false);
  const tried = useForm(async () => setResult(await api.post(`${path}/test`)));
  const toggled = useForm(async () => {
    await api.patch(path, { enabled: !receiver.enabled });
  });
  const isConfigured = receiver.source === 'config';
  return (
    <Dialog
      isOpen
      onClose={onClose}
      title={receiver.name}
      description={`${TYPES[receiver.type]}${isConfigured ? ', set in the configuration' : ''}`}
    >
      <div className="flex flex-col gap-3">
        <p className="flex flex-wrap gap-3 items-center">
          <ReceiverState receiver={receiver} />
          <span className="break-all">{receiver.to.length > 0 ? receiver.to.join(', ') : receiver.url}</span>
        </p>
        {receiver.last_error !== null && (
          <p className="text-bad">
            It fails since <RelativeTime at={receiver.failing_since} />: {receiver.last_error}
          </p>
        )}
        {result && (
          <p role="status">
            {result.delivered
              ? `The test was delivered in ${result.duration_ms} ms.`
              : `The test was not delivered: ${result.error}.`}
          </p>
        )}
        {[tried.error, toggled.error].map(
          (error, index) =>
            // biome-ignore lint/suspicious/noArrayIndexKey: always the same two
            error !== undefined && <ErrorPanel key={index} what="It did not work" error={error} />,
        )}
        {mayWrite && (
          <div className="flex flex-wrap gap-2">
            <form onSubmit={tried.onSubmit}>
              <Button type="submit" isBusy={tried.isBusy}>
                Send a test
              </Button>
            </form>
            {!isConfigured && (
              <>
                <form onSubmit={toggled.onSubmit}>
                  <Button type="submit" isBusy={toggled.isBusy}>
                    {receiver.enabled ? 'Turn off' : 'Turn on'}
                  </Button>
                </form>
                <Button variant="danger" onClick={() => setDeleting(true)}>
                  Delete
                </Button>
              </>
            )}
          </div>
        )}
      </div>
      <ConfirmDialog
        isOpen={isDeleting}
        onClose={() => setDeleting(false)}
        title={`Delete ${receiver.name}`}
        lost="It gets no further messages, also about alerts that fire now."
        action="Delete"
        onConfirm={async () => {
          await api.delete(path);
          await client.invalidateQueries();
          onClose();
        }}
      />
    </Dialog>
  );
}
