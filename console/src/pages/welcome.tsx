import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { type ReactNode, useState } from 'react';
import { api } from '../lib/api.ts';
import { totalOf, useMetrics } from '../lib/metrics.ts';
import { exampleModel, useChatModels } from '../lib/models.ts';
import { useSession } from '../lib/session.tsx';
import { Button } from '../ui/button.tsx';
import { SecretOnce } from '../ui/copy.tsx';
import { Badge, ErrorPanel } from '../ui/feedback.tsx';
import { SelectField, TextField } from '../ui/field.tsx';
import { FormEnd, useForm } from '../ui/form.tsx';
import { Page } from '../ui/page.tsx';
import { useRange } from '../ui/range-picker.tsx';
import type { ConfigItem } from './models/config-item.ts';
import { ProviderForm } from './models/provider-form.tsx';
import { UseKey } from './use-key.tsx';
import { PriceHint } from './welcome/price-hint.tsx';

const DEFAULT_TENANT = 'default';

/** Three steps to the first request of an application. */
export default function WelcomePage() {
  const { can, tenant = DEFAULT_TENANT, selectTenant } = useSession();
  const [provider, setProvider] = useState<string>();
  const [chosen, setModel] = useState<string>();
  const [madeKey, setMadeKey] = useState<string>();
  const { data: names } = useChatModels(tenant, 5_000);
  const model = chosen ?? exampleModel(names);
  const providers = useQuery({
    queryKey: ['config', 'providers'],
    queryFn: () => api.get<{ data: readonly ConfigItem[] }>('/admin/v1/providers'),
    enabled: can('platform:read'),
  });
  const own = providers.data?.data.filter(({ source }) => source !== 'built-in') ?? [];
  const range = useRange();
  const traffic = useMetrics(range, { metrics: 'requests', tenant }, 2_000);
  const hasTraffic = (totalOf(traffic.data?.total, 'requests') ?? 0) > 0;
  return (
    <Page title="Welcome" purpose="Three steps: a provider, a message, a key for your application.">
      <Step number={1} title="Add a provider" isDone={own.length > 0}>
        {own.length > 0 && (
          <p>
            {own.map(({ id }) => id).join(', ')} {own.length === 1 ? 'is' : 'are'} there.{' '}
            <Link to="/models" className="underline text-accent">
              Show providers
            </Link>
          </p>
        )}
        {own.length === 0 && (
          <p className="text-muted">
            You can skip this step: the built-in simulator answers without a provider, and costs nothing.
          </p>
        )}
        {can('platform:write') ? (
          <details open={providers.data !== undefined && own.length === 0}>
            <summary className="cursor-pointer font-medium">
              {own.length === 0 ? 'Add one' : 'Add another'}
            </summary>
            <div className="max-w-xl mt-2">
              <ProviderForm base={undefined} mayChange onDone={setProvider} />
            </div>
          </details>
        ) : (
          <p className="text-muted">Operators of the platform add providers.</p>
        )}
        {provider !== undefined && <PickModel provider={provider} onPick={setModel} />}
        {!model.startsWith('simulator') && (
          <PriceHint key={model} tenant={tenant} model={model} provider={provider} />
        )}
      </Step>
      <Step number={2} title="Send a first message" isDone={hasTraffic}>
        <p>
          <Link to="/playground" search={{ models: model }} className="underline text-accent">
            Open {model} in the playground
          </Link>
        </p>
      </Step>
      <Step number={3} title="Make a key for your application" isDone={madeKey !== undefined}>
        <MakeKey tenant={tenant} model={model} onMade={setMadeKey} />
      </Step>
      <p role="status">
        {hasTraffic ? (
          <>
            Requests arrive.{' '}
            <Link to="/overview" className="underline text-accent">
              Go to the overview
            </Link>
            , or see{' '}
            <Link to="/requests" className="underline text-accent">
              where their time went
            </Link>
            {madeKey !== undefined && (
              <>
                , or{' '}
                <Link
                  to="/tenants"
                  search={{ tab: 'keys', key: madeKey }}
                  onClick={() => selectTenant(tenant)}
                  className="underline text-accent"
                >
                  what the key has used
                </Link>
              </>
            )}
            .
          </>
        ) : (
          `No request of the tenant ${tenant} has arrived yet: this page shows it when the first one does.`
        )}
      </p>
    </Page>
  );
}

function Step({
  number,
  title,
  isDone,
  children,
}: {
  readonly number: number;
  readonly title: string;
  readonly isDone: boolean;
  readonly children: ReactNode;
}) {
  return (
    <section className="rounded border border-line bg-panel p-4 flex flex-col gap-2">
      <h2 className="font-semibold flex gap-2 items-center">
        {number}. {title} {isDone && <Badge tone="good">done</Badge>}
      </h2>
      {children}
    </section>
  );
}

/** Offers the models that a new provider lists. */
function PickModel({
  provider,
  onPick,
}: {
  readonly provider: string;
  readonly onPick: (model: string) => void;
}) {
  const models = useChatModels(DEFAULT_TENANT, 3_000);
  const names = models.data?.filter((id) => !id.startsWith('simulator')) ?? [];
  if (models.error)
    return <ErrorPanel what={`The models of ${provider} could not be listed`} error={models.error} />;
  if (names.length === 0) return <p className="text-muted">Its models appear here within seconds.</p>;
  return (
    <div className="max-w-xl">
      <SelectField
        label="Model for the next steps"
        options={['', ...names].map((value) => ({ value, label: value === '' ? 'choose' : value }))}
        onChange={({ target }) => target.value !== '' && onPick(target.value)}
      />
    </div>
  );
}

function MakeKey({
  tenant,
  model,
  onMade,
}: {
  readonly tenant: string;
  readonly model: string;
  /** @param id of the key */
  readonly onMade: (id: string) => void;
}) {
  const { can } = useSession();
  const [name, setName] = useState('my application');
  const [budget, setBudget] = useState('5');
  const [secret, setSecret] = useState<string>();
  const form = useForm(async () => {
    const limits = budget.trim() === '' ? [] : [{ of: 'cost', per: 'month', max: budget.trim() }];
    const path = `/admin/v1/tenants/${tenant}/keys`;
    const created = await api.post<{ id: string; key: string }>(path, { name, limits });
    setSecret(created.key);
    onMade(created.id);
  }, ['name', 'limits']);
  if (!can('keys:write', tenant) && !can('keys:own', tenant)) {
    return <p className="text-muted">Your role does not create keys: ask an owner or administrator.</p>;
  }
  if (secret !== undefined) {
    return (
      <div className="flex flex-col gap-3 max-w-2xl">
        <SecretOnce secret={secret} what="the key" />
        <UseKey apiKey={secret} tenant={tenant} model={model} />
        <Button className="self-start" onClick={() => setSecret(undefined)}>
          Make another
        </Button>
      </div>
    );
  }
  return (
    <form onSubmit={form.onSubmit} className="flex flex-col gap-3 max-w-xl">
      <TextField
        label="Name"
        required
        value={name}
        onChange={({ target }) => setName(target.value)}
        error={form.errorOf('name')}
      />
      <TextField
        label="Monthly budget (US dollars)"
        inputMode="decimal"
        hint="Requests above it are rejected. Empty: none."
        value={budget}
        onChange={({ target }) => setBudget(target.value)}
        error={form.errorOf('limits')}
      />
      <FormEnd state={form} action="Make the key" what="The key was not made" />
    </form>
  );
}
