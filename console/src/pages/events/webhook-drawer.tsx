import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api, pathOf } from '../../lib/api.ts';
import { count, time } from '../../lib/format.ts';
import type { ListPage } from '../../lib/paged.ts';
import { readOthersAgain } from '../../lib/removed.ts';
import { useSession } from '../../lib/session.tsx';
import { attemptText, type Delivery, sentence, type Webhook, webhooksPath } from '../../lib/webhooks.ts';
import { Button } from '../../ui/button.tsx';
import { SecretOnce } from '../../ui/copy.tsx';
import { ConfirmDialog, Dialog, Drawer } from '../../ui/dialog.tsx';
import { Badge, ErrorPanel, Skeleton } from '../../ui/feedback.tsx';
import { SelectField, TextField } from '../../ui/field.tsx';
import { FormEnd, useForm } from '../../ui/form.tsx';
import { RelativeTime } from '../../ui/time.tsx';
import { Deliveries } from './deliveries.tsx';
import { WebhookForm } from './webhook-form.tsx';
import { WebhookState } from './webhooks.tsx';

const MAX_COUNTED = 200;
const DAY_MS = 86_400_000;

interface DrawerProps {
  readonly tenant: string | undefined;
  readonly webhook: Webhook;
  readonly onClose: () => void;
}

/** One webhook: its state, filters, secret and deliveries. */
export function WebhookDrawer({ tenant, webhook, onClose }: DrawerProps) {
  const { can } = useSession();
  const path = pathOf(webhooksPath(tenant), webhook.id);
  const mayChange = can('webhooks:write', tenant);
  // What the list shows may be older, and has no version.
  const { data, error, refetch } = useQuery({
    queryKey: ['versioned', path],
    queryFn: ({ signal }) => api.request<Webhook>('GET', path, { signal }),
  });
  const { previous_secret_expires_at: until, failing_since: failing } = webhook;
  return (
    <Drawer
      isOpen
      onClose={onClose}
      title={webhook.url}
      description={<code className="font-mono">{webhook.id}</code>}
    >
      <div className="flex flex-col gap-3">
        <div className="flex flex-wrap gap-x-6 gap-y-1 items-center">
          <WebhookState webhook={webhook} />
          <span>
            created <RelativeTime at={webhook.created_at} />
          </span>
          {failing !== null && (
            <span className="text-warn">
              no success since <RelativeTime at={failing} />
            </span>
          )}
          {until !== null && Date.parse(until) > Date.now() && (
            <span>the old secret signs too until {time(until)}</span>
          )}
        </div>
        {webhook.status === 'disabled' && <Disabled path={path} webhook={webhook} mayChange={mayChange} />}
        {mayChange && <Actions path={path} webhook={webhook} etag={data?.etag} onRemoved={onClose} />}
        {mayChange &&
          (error ? (
            <ErrorPanel what="The webhook could not be read" error={error} retry={() => void refetch()} />
          ) : data ? (
            <WebhookForm key={path} path={path} base={data} />
          ) : (
            <Skeleton className="h-64" />
          ))}
        {/* After the form, so that the keyboard begins in it. */}
        {(data || error || !mayChange) && <Deliveries path={path} mayChange={mayChange} />}
      </div>
    </Drawer>
  );
}

/** Says why a webhook receives nothing, and enables it again. */
function Disabled({
  path,
  webhook,
  mayChange,
}: {
  readonly path: string;
  readonly webhook: Webhook;
  readonly mayChange: boolean;
}) {
  const form = useForm(async () => {
    await api.patch(path, { status: 'enabled' });
  });
  return (
    <form
      onSubmit={form.onSubmit}
      role="status"
      className="rounded border border-bad bg-bad-bg p-3 flex flex-wrap items-center gap-3"
    >
      <div className="grow min-w-0">
        <p className="font-medium text-bad">It is disabled and receives nothing</p>
        <p className="break-words">
          {webhook.disabled_reason === null ? 'A person disabled it.' : sentence(webhook.disabled_reason)}{' '}
          What was waiting is kept; events that happen meanwhile are not queued.
        </p>
      </div>
      {mayChange && (
        <Button type="submit" isBusy={form.isBusy}>
          Enable
        </Button>
      )}
      {form.error !== undefined && <ErrorPanel what="It was not enabled" error={form.error} />}
    </form>
  );
}

type Action = 'rotate' | 'disable' | 'delete' | 'redeliver';

function Actions({
  path,
  webhook,
  etag,
  onRemoved,
}: {
  readonly path: string;
  readonly webhook: Webhook;
  readonly etag: string | undefined;
  readonly onRemoved: () => void;
}) {
  const client = useQueryClient();
  const [action, setAction] = useState<Action>();
  const [secret, setSecret] = useState<string>();
  const [tested, setTested] = useState<Delivery>();
  const test = useForm(async () => setTested(await api.post<Delivery>(`${path}/test`)));
  const close = () => setAction(undefined);
  const [attempt] = tested?.log ?? [];
  return (
    <>
      <form onSubmit={test.onSubmit} className="flex flex-wrap gap-2 items-center">
        <Button type="submit" isBusy={test.isBusy}>
          Send a test
        </Button>
        <Button onClick={() => setAction('redeliver')}>Redeliver failed ones</Button>
        <Button onClick={() => setAction('rotate')}>Rotate the secret</Button>
        {webhook.status === 'enabled' && <Button onClick={() => setAction('disable')}>Disable</Button>}
        <Button variant="danger" onClick={() => setAction('delete')}>
          Delete
        </Button>
      </form>
      {test.error !== undefined && <ErrorPanel what="The test was not sent" error={test.error} />}
      {tested && (
        <p role="status" className="flex flex-wrap gap-2 items-center">
          <Badge tone={tested.state === 'delivered' ? 'good' : 'bad'}>test {tested.state}</Badge>
          {attempt && <span className="break-words min-w-0">{attemptText(attempt)}</span>}
        </p>
      )}
      {secret !== undefined && <SecretOnce secret={secret} what="the new secret" />}
      {action === 'rotate' && (
        <Rotate path={path} etag={etag} onClose={close} onRotated={(made) => setSecret(made)} />
      )}
      {action === 'redeliver' && <Redeliver path={path} webhook={webhook} onClose={close} />}
      {action === 'disable' && (
        <ConfirmDialog
          isOpen
          onClose={close}
          title="Disable the webhook"
          lost="It receives nothing until it is enabled. What is waiting is kept; events that happen meanwhile are not queued for it."
          action="Disable"
          onConfirm={async () => {
            await api.patch(path, { status: 'disabled' });
            await client.invalidateQueries();
          }}
        />
      )}
      {action === 'delete' && (
        <ConfirmDialog
          isOpen
          onClose={close}
          title="Delete the webhook"
          lost={<Lost path={path} />}
          name={new URL(webhook.url).host}
          action="Delete"
          onConfirm={async () => {
            await api.delete(path, { ifMatch: etag });
            onRemoved();
            await readOthersAgain(client, path);
          }}
        />
      )}
    </>
  );
}

/** Says in numbers what is removed with a webhook. */
function Lost({ path }: { readonly path: string }) {
  const { data, error } = useQuery({
    queryKey: ['lost', path],
    queryFn: ({ signal }) =>
      Promise.all(
        (['pending', undefined] as const).map((state) =>
          api.get<ListPage<unknown>>(`${path}/deliveries`, { query: { state, limit: MAX_COUNTED }, signal }),
        ),
      ),
  });
  const [waiting, all] = data ?? [];
  const many = (list: ListPage<unknown>) =>
    `${list.has_more ? 'more than ' : ''}${count(list.data.length, 'delivery', 'deliveries')}`;
  return (
    <>
      {waiting && all && (
        <p>
          The log of {many(all)}.{' '}
          {waiting.data.length > 0 && `${many(waiting)} of them wait and are not sent.`}
        </p>
      )}
      {error && <p className="text-muted">Its deliveries could not be counted: {error.message}</p>}
      <p>Its secret is lost. It cannot be taken back.</p>
    </>
  );
}

const OVERLAPS = [
  { value: '24', label: 'for a day' },
  { value: '1', label: 'for an hour' },
  { value: '168', label: 'for a week' },
  { value: '0', label: 'not at all: it ends at once' },
];

function Rotate({
  path,
  etag,
  onClose,
  onRotated,
}: {
  readonly path: string;
  readonly etag: string | undefined;
  readonly onClose: () => void;
  readonly onRotated: (secret: string) => void;
}) {
  const [hours, setHours] = useState('24');
  const form = useForm(async () => {
    const body = { overlap_hours: Number(hours) };
    const { secret } = await api.post<{ secret: string }>(`${path}/rotate`, body, { ifMatch: etag });
    onRotated(secret);
    onClose();
  }, ['overlap_hours']);
  return (
    <Dialog
      isOpen
      onClose={onClose}
      title="Rotate the secret"
      description="While both sign, the receiver can change over at any time."
    >
      <form onSubmit={form.onSubmit} className="flex flex-col gap-3">
        <SelectField
          label="The old secret signs too"
          options={OVERLAPS}
          value={hours}
          onChange={({ target }) => setHours(target.value)}
          error={form.errorOf('overlap_hours')}
        />
        <FormEnd state={form} action="Rotate" onCancel={onClose} what="The secret was not changed" />
      </form>
    </Dialog>
  );
}

/** @returns a time as fields for it have it, in the zone of the viewer */
function fieldTime(at: number): string {
  return new Date(at - new Date(at).getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

function Redeliver({
  path,
  webhook,
  onClose,
}: {
  readonly path: string;
  readonly webhook: Webhook;
  readonly onClose: () => void;
}) {
  const [since, setSince] = useState(() =>
    fieldTime(webhook.failing_since === null ? Date.now() - DAY_MS : Date.parse(webhook.failing_since)),
  );
  const [sent, setSent] = useState<number>();
  const form = useForm(async () => {
    const body = { since: new Date(since).toISOString() };
    setSent((await api.post<{ redelivered: number }>(`${path}/redeliver`, body)).redelivered);
  }, ['since']);
  return (
    <Dialog
      isOpen
      onClose={onClose}
      title="Redeliver failed deliveries"
      description="Each is sent again with the same id, so a receiver that has seen it can tell."
    >
      {sent === undefined ? (
        <form onSubmit={form.onSubmit} className="flex flex-col gap-3">
          <TextField
            label="That were created since"
            type="datetime-local"
            required
            value={since}
            onChange={({ target }) => setSince(target.value)}
            error={form.errorOf('since')}
          />
          <FormEnd state={form} action="Redeliver" onCancel={onClose} what="Nothing was sent again" />
        </form>
      ) : (
        <div className="flex flex-col gap-3">
          <p role="status">{count(sent, 'delivery', 'deliveries')} sent again.</p>
          <Button variant="primary" className="self-end" onClick={onClose}>
            Done
          </Button>
        </div>
      )}
    </Dialog>
  );
}
