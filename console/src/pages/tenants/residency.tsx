import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api, type Reply } from '../../lib/api.ts';
import { useSave } from '../../lib/save.tsx';
import { useSession } from '../../lib/session.tsx';
import type { Residency, Tenant } from '../../lib/tenancy.ts';
import { useUnsaved } from '../../lib/unsaved.tsx';
import { SelectField, TextField } from '../../ui/field.tsx';
import { FormEnd, useForm } from '../../ui/form.tsx';
import { Panel } from '../../ui/page.tsx';

interface Region {
  readonly id: string;
  readonly is_own: boolean;
  readonly up: boolean;
}

const ELSEWHERE = [
  { value: 'reject', label: 'reject them, with the right address' },
  { value: 'forward', label: 'forward them to the home region' },
] as const;

const namesIn = (text: string): string[] => text.split(/[\s,]+/).filter((name) => name !== '');

/** Where the data of a tenant may be. Nothing where the installation has no regions. */
export function ResidencyPanel({ path, base }: { readonly path: string; readonly base: Reply<Tenant> }) {
  const { can } = useSession();
  const mayRead = can('platform:read');
  const { data } = useQuery({
    queryKey: ['regions'],
    queryFn: ({ signal }) => api.get<{ readonly data: readonly Region[] }>('/admin/v1/regions', { signal }),
    enabled: mayRead,
  });
  const { residency, id } = base.data;
  const regions = data?.data ?? [];
  if (regions.length === 0 && !residency) return null;
  return (
    <Panel title="Region">
      {mayRead && can('tenants:assign', id) ? (
        <ResidencyForm path={path} base={base} regions={regions} />
      ) : (
        residency && <p>{residencyText(residency)}</p>
      )}
    </Panel>
  );
}

/** `eu-central-1; its data stays in eu; us-east-1 serves it while that is away.` */
export function residencyText({ region, allowed, failover = [] }: Residency): string {
  const parts = [`Home region ${region}`];
  parts.push(`its data stays in ${(allowed ?? [region, ...failover]).join(', ')}`);
  if (failover.length > 0) parts.push(`${failover.join(', then ')} serves it while that is unavailable`);
  return `${parts.join('; ')}.`;
}

function ResidencyForm({
  path,
  base,
  regions,
}: {
  readonly path: string;
  readonly base: Reply<Tenant>;
  readonly regions: readonly Region[];
}) {
  // Later versions are for the next time: they must not replace what is being typed.
  const [first] = useState(base);
  const [values, setValues] = useState(() => textsOf(first.data.residency));
  const unsaved = useUnsaved();
  const { save, dialog } = useSave<Tenant>({ method: 'PATCH', bodyOf: residencyOf });
  const form = useForm(async () => {
    setValues(textsOf((await save(path, first, { residency: documentOf(values) })).residency));
    unsaved.saved();
  }, ['residency.region', 'residency.allowed', 'residency.failover', 'residency.elsewhere']);
  const set = (change: Partial<typeof values>) => {
    setValues({ ...values, ...change });
    unsaved.touch();
  };
  const known = regions.map(({ id, is_own, up }) => ({
    value: id,
    label: `${id}${is_own ? ', this one' : up ? '' : ', unavailable'}`,
  }));
  const isElsewhere = values.region !== '' && !regions.some(({ id }) => id === values.region);
  return (
    <form onSubmit={form.onSubmit} className="flex flex-col gap-3">
      <SelectField
        label="Home region"
        hint="The gateways there serve the tenant. Its database does not move by this."
        options={[
          { value: '', label: 'none: every region serves it' },
          ...known,
          ...(isElsewhere ? [{ value: values.region, label: `${values.region}, not configured` }] : []),
        ]}
        value={values.region}
        onChange={({ target }) => set({ region: target.value })}
        error={form.errorOf('residency.region')}
      />
      {values.region !== '' && (
        <>
          <TextField
            label="Allowed regions"
            hint="Where its data may be processed, with commas: eu includes eu-west-1. Empty: the home region and those of failover."
            value={values.allowed}
            onChange={({ target }) => set({ allowed: target.value })}
            error={form.errorOf('residency.allowed')}
          />
          <TextField
            label="Failover"
            hint="Regions that serve it while its home region is unavailable, in this order. Empty: none."
            value={values.failover}
            onChange={({ target }) => set({ failover: target.value })}
            error={form.errorOf('residency.failover')}
          />
          <SelectField
            label="Requests at other regions"
            options={ELSEWHERE}
            value={values.elsewhere}
            onChange={({ target }) => set({ elsewhere: target.value })}
            error={form.errorOf('residency.elsewhere')}
          />
        </>
      )}
      <FormEnd state={form} action="Set the region" what="The region was not changed" />
      {dialog}
    </form>
  );
}

interface Texts {
  readonly region: string;
  readonly allowed: string;
  readonly failover: string;
  readonly elsewhere: string;
}

function textsOf(residency: Residency | null | undefined): Texts {
  const { region = '', allowed = [], failover = [], elsewhere = 'reject' } = residency ?? {};
  return { region, allowed: allowed.join(', '), failover: failover.join(', '), elsewhere };
}

function documentOf({ region, allowed, failover, elsewhere }: Texts) {
  if (region === '') return null;
  const [within, next] = [namesIn(allowed), namesIn(failover)];
  return {
    region,
    ...(within.length > 0 && { allowed: within }),
    ...(next.length > 0 && { failover: next }),
    ...(elsewhere !== 'reject' && { elsewhere }),
  };
}

const residencyOf = ({ residency }: Tenant) => ({ residency: residency ?? null });
