import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { api } from '../../lib/api.ts';
import { count, money, number } from '../../lib/format.ts';
import { useSession } from '../../lib/session.tsx';
import { type ApiKey, type LimitUse, limitText } from '../../lib/tenancy.ts';
import { Badge, Empty, ErrorPanel, Skeleton } from '../../ui/feedback.tsx';
import { TextField } from '../../ui/field.tsx';
import { FormEnd, useForm } from '../../ui/form.tsx';
import { Panel } from '../../ui/page.tsx';
import { RelativeTime } from '../../ui/time.tsx';
import { SessionList } from '../sessions.tsx';
import { LimitUseCard } from '../tenants/limits.tsx';

/** The caller's own keys, usage, limits, password and sessions. */
export function Account() {
  const { me } = useSession();
  if (!me.id.startsWith('user:')) {
    return (
      <Empty title="You are signed in with an admin key. People have an account with keys, a password and sessions: invite one under Tenants, People." />
    );
  }
  const user = me.id.slice('user:'.length);
  return (
    <div className="grid gap-3 lg:grid-cols-2 items-start">
      {Object.keys(me.tenants).map((tenant) => (
        <OwnTenant key={tenant} tenant={tenant} user={user} />
      ))}
      <Panel title="Sessions">
        <SessionList path="/v1/auth/sessions" mayEnd />
      </Panel>
      <PasswordForm />
    </div>
  );
}

/** What the caller has and uses in one tenant. */
function OwnTenant({ tenant, user }: { readonly tenant: string; readonly user: string }) {
  const { me, tenants } = useSession();
  const name = tenants.find(({ id }) => id === tenant)?.name ?? tenant;
  const { role = '' } = me.tenants[tenant] ?? {};
  return (
    <Panel title={name} actions={<Badge>{role}</Badge>}>
      <div className="flex flex-col gap-4">
        <OwnUsage tenant={tenant} user={user} />
        <OwnKeys tenant={tenant} user={user} />
        <OwnLimits tenant={tenant} user={user} />
      </div>
    </Panel>
  );
}

interface UsageRow {
  readonly requests: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly cost: string;
}

interface Own {
  readonly tenant: string;
  readonly user: string;
}

function OwnUsage({ tenant, user }: Own) {
  const { can } = useSession();
  const { data, error, refetch } = useQuery({
    queryKey: ['own usage', tenant, user],
    queryFn: ({ signal }) =>
      api.get<{ data: readonly UsageRow[] }>(`/admin/v1/tenants/${tenant}/usage`, {
        query: { user },
        signal,
      }),
    enabled: can('usage:read', tenant),
  });
  if (!can('usage:read', tenant)) return null;
  if (error)
    return <ErrorPanel what="Your usage could not be read" error={error} retry={() => void refetch()} />;
  if (!data) return <Skeleton className="h-12" />;
  const [row] = data.data;
  const facts: readonly (readonly [string, string])[] = [
    ['Requests', number(row?.requests ?? 0)],
    ['Tokens', number((row?.input_tokens ?? 0) + (row?.output_tokens ?? 0))],
    ['Cost', money(row?.cost ?? 0)],
  ];
  return (
    <section className="flex flex-col gap-1">
      <h3 className="font-semibold">Your usage this month</h3>
      <dl className="flex flex-wrap gap-x-6">
        {facts.map(([term, value]) => (
          <div key={term}>
            <dt className="text-muted">{term}</dt>
            <dd className="text-[15px]">{value}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function OwnKeys({ tenant, user }: Own) {
  const { can, selectTenant } = useSession();
  const mayRead = can('keys:read', tenant);
  const { data, error, refetch } = useQuery({
    queryKey: ['own keys', tenant, user],
    queryFn: ({ signal }) =>
      api.get<{ data: readonly ApiKey[] }>(`/admin/v1/tenants/${tenant}/keys`, {
        query: { member: user, limit: 200 },
        signal,
      }),
    enabled: mayRead,
  });
  const used = data?.data.filter(({ state }) => state !== 'revoked') ?? [];
  return (
    <section className="flex flex-col gap-1">
      <h3 className="font-semibold">Your API keys</h3>
      {!mayRead && <p className="text-muted">Your role has no keys. Developers have.</p>}
      {error && <ErrorPanel what="Your keys could not be read" error={error} retry={() => void refetch()} />}
      {mayRead && !data && !error && <Skeleton className="h-12" />}
      {data && used.length === 0 && <p className="text-muted">You have none yet.</p>}
      <ul className="flex flex-col gap-1">
        {used.map((key) => (
          <li key={key.id} className="flex flex-wrap gap-x-3">
            <Link
              to="/tenants"
              search={{ tab: 'keys', key: key.id }}
              onClick={() => selectTenant(tenant)}
              className="underline text-accent"
            >
              {key.name}
            </Link>
            <code className="font-mono">{key.hint}</code>
            {key.state !== 'active' && <Badge tone="warn">{key.state}</Badge>}
            <span className="text-muted">
              {key.limits.map(limitText).join(', ') || 'no limit of its own'}; last used{' '}
              {key.last_used_at ? <RelativeTime at={key.last_used_at} /> : 'never'}
            </span>
          </li>
        ))}
      </ul>
      {can('keys:own', tenant) && (
        <Link
          to="/tenants"
          search={{ tab: 'keys' }}
          onClick={() => selectTenant(tenant)}
          className="underline text-accent self-start"
        >
          Create or change keys
        </Link>
      )}
    </section>
  );
}

function OwnLimits({ tenant, user }: Own) {
  const { data, error, refetch } = useQuery({
    queryKey: ['own limits', tenant, user],
    queryFn: ({ signal }) =>
      api.get<{ data: readonly LimitUse[] }>(`/admin/v1/tenants/${tenant}/limits`, {
        query: { member: user },
        signal,
      }),
  });
  // Limits of tags hold for requests that name the tag, not for a person.
  const limits = data?.data.filter(({ scope }) => scope !== 'tag') ?? [];
  return (
    <section className="flex flex-col gap-1">
      <h3 className="font-semibold">Limits that hold for you</h3>
      {error && (
        <ErrorPanel what="Your limits could not be read" error={error} retry={() => void refetch()} />
      )}
      {!data && !error && <Skeleton className="h-12" />}
      {data && (
        <p className="text-muted">
          {limits.length === 0
            ? 'None: only the limits of each key.'
            : `${count(limits.length, 'limit')} beside those of each key.`}
        </p>
      )}
      <ul className="grid gap-2 sm:grid-cols-2">
        {limits.map((use) => (
          <li key={`${use.scope} ${use.subject_id} ${use.of} ${use.per} ${use.mode}`}>
            <LimitUseCard {...use} />
          </li>
        ))}
      </ul>
    </section>
  );
}

function PasswordForm() {
  const [current, setCurrent] = useState('');
  const [password, setPassword] = useState('');
  const [isDone, setDone] = useState(false);
  const form = useForm(async () => {
    setDone(false);
    await api.post('/v1/auth/password', { ...(current === '' ? {} : { current }), password });
    setCurrent('');
    setPassword('');
    setDone(true);
  }, ['current', 'password']);
  return (
    <Panel title="Password">
      <form onSubmit={form.onSubmit} className="flex flex-col gap-3">
        <TextField
          label="Current password"
          type="password"
          autoComplete="current-password"
          hint="Leave it empty when you sign in with an identity provider only."
          value={current}
          onChange={({ target }) => setCurrent(target.value)}
          error={form.errorOf('current')}
        />
        <TextField
          label="New password"
          type="password"
          required
          autoComplete="new-password"
          hint="At least 10 characters. All other sessions end."
          value={password}
          onChange={({ target }) => setPassword(target.value)}
          error={form.errorOf('password')}
        />
        <p role="status">{isDone && 'The password is changed.'}</p>
        <FormEnd state={form} action="Change" what="The password was not changed" />
      </form>
    </Panel>
  );
}
