import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api, type Reply } from '../../lib/api.ts';
import { money, number } from '../../lib/format.ts';
import { useSave } from '../../lib/save.tsx';
import { useSession } from '../../lib/session.tsx';
import { type LimitUse, limitText, type Tenant } from '../../lib/tenancy.ts';
import { useUnsaved } from '../../lib/unsaved.tsx';
import { Badge, Empty, ErrorPanel, Skeleton } from '../../ui/feedback.tsx';
import { FormEnd, useForm } from '../../ui/form.tsx';
import { Meter, NEAR } from '../../ui/meter.tsx';
import { Panel } from '../../ui/page.tsx';
import { RelativeTime } from '../../ui/time.tsx';
import { draftsOf, LimitEditor, limitsOfDrafts } from './limit-editor.tsx';
import { LimitPreview } from './limit-preview.tsx';

/** Every limit that holds in a tenant, with its current use. */
export function Limits({ tenant }: { readonly tenant: string }) {
  const { can } = useSession();
  const uses = useQuery({
    queryKey: ['limits', tenant],
    queryFn: () => api.get<{ data: readonly LimitUse[] }>(`/admin/v1/tenants/${tenant}/limits`),
    refetchInterval: 10_000,
  });
  const own = useQuery({
    queryKey: ['tenant', tenant],
    queryFn: () => api.request<Tenant>('GET', `/admin/v1/tenants/${tenant}`),
  });
  return (
    <div className="flex flex-col gap-3">
      {uses.error ? (
        <ErrorPanel
          what="The limits could not be read"
          error={uses.error}
          retry={() => void uses.refetch()}
        />
      ) : !uses.data ? (
        <Skeleton className="h-48" />
      ) : uses.data.data.length === 0 ? (
        <Empty title="Nothing limits this tenant: it may spend any amount. A budget stops that." />
      ) : (
        <ul className="grid gap-2 md:grid-cols-2 xl:grid-cols-3">
          {uses.data.data.map((use) => (
            <li key={`${use.scope} ${use.subject_id} ${use.of} ${use.per} ${use.mode}`}>
              <LimitUseCard {...use} />
            </li>
          ))}
        </ul>
      )}
      {own.data && can('tenants:assign', tenant) && <OwnLimits key={tenant} base={own.data} />}
    </div>
  );
}

/** One limit with its current use. */
export function LimitUseCard({ scope, subject, of, per, mode, max, tier, used, resets_at }: LimitUse) {
  const share = used === null || Number(max) === 0 ? undefined : Number(used) / Number(max);
  const show = (value: number | string) => (of === 'cost' ? money(value) : number(Number(value)));
  const isFull = share !== undefined && share >= 1;
  const isNear = share !== undefined && share >= NEAR;
  return (
    <div className="rounded border border-line bg-panel p-3 h-full flex flex-col gap-1">
      <div className="flex gap-2 items-baseline">
        <span className="font-medium grow">{limitText({ of, per, max })}</span>
        {isFull ? <Badge tone="bad">used up</Badge> : isNear ? <Badge tone="warn">near</Badge> : null}
        {mode !== 'enforce' && <Badge>{mode}</Badge>}
      </div>
      <p className="text-muted">
        {scope} {subject}
        {tier && `, from the tier ${tier}`}
      </p>
      {share !== undefined && <Meter label={`${limitText({ of, per, max })}, used`} share={share} />}
      <p>
        {used === null ? 'counted over moving time' : `${show(used)} used`}
        {resets_at && (
          <span className="text-muted">
            {' '}
            · starts over <RelativeTime at={resets_at} />
          </span>
        )}
      </p>
    </div>
  );
}

/** The members of a tenant that the form changes. */
const bodyOf = ({ limits }: Tenant) => ({ limits: limitsOfDrafts(draftsOf(limits)) });

function OwnLimits({ base }: { readonly base: Reply<Tenant> }) {
  // Later versions are for the next time: they must not replace what is being typed.
  const [first] = useState(base);
  const tenant = base.data;
  const [limits, setLimits] = useState(() => draftsOf(first.data.limits));
  const unsaved = useUnsaved();
  const { save, dialog } = useSave({ method: 'PATCH', bodyOf });
  const form = useForm(async () => {
    const stored = await save(`/admin/v1/tenants/${tenant.id}`, first, {
      limits: limitsOfDrafts(limits),
    });
    setLimits(draftsOf(stored.limits));
    unsaved.saved();
  }, ['limits']);
  return (
    <Panel title="Limits of the tenant itself">
      <form onSubmit={form.onSubmit} className="flex flex-col gap-3">
        <p className="text-muted">
          {tenant.tier
            ? `They replace the limits of its tier ${tenant.tier} of the same kind.`
            : 'It has no tier: only these limits hold.'}
        </p>
        <LimitEditor
          drafts={limits}
          onChange={(drafts) => {
            setLimits([...drafts]);
            unsaved.touch();
          }}
          error={form.errorOf('limits')}
        />
        <LimitPreview subject={{ tenant: tenant.id, scope: 'tenant' }} drafts={limits} />
        <FormEnd state={form} action="Save" what="The limits were not changed" />
      </form>
      {dialog}
    </Panel>
  );
}
