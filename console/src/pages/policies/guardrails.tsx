import { useQuery } from '@tanstack/react-query';
import { api } from '../../lib/api.ts';
import { useSession } from '../../lib/session.tsx';
import type { Tenant } from '../../lib/tenancy.ts';
import { Badge, ErrorPanel, Skeleton } from '../../ui/feedback.tsx';
import { Panel } from '../../ui/page.tsx';
import { GuardrailEditor } from './guardrail-editor.tsx';
import { GuardrailTrial } from './guardrail-trial.tsx';

type Guardrail = Readonly<Record<string, unknown>>;

/** Guardrails of the gateway and of the tenant: what must not go to a provider, or come back. */
export function Guardrails() {
  const { can, tenant } = useSession();
  const seesGateway = can('platform:read');
  const gateway = useQuery({
    queryKey: ['config', 'active'],
    queryFn: () => api.get<{ config: { guardrails?: readonly Guardrail[] } }>('/admin/v1/config'),
    enabled: seesGateway,
  });
  const own = useQuery({
    queryKey: ['tenant', tenant],
    queryFn: () =>
      api.request<Tenant & { guardrails?: readonly Guardrail[] }>('GET', `/admin/v1/tenants/${tenant}`),
    enabled: tenant !== undefined,
  });
  const error = gateway.error ?? own.error;
  if (error) return <ErrorPanel what="The guardrails could not be read" error={error} />;
  if ((seesGateway && !gateway.data) || (tenant !== undefined && !own.data))
    return <Skeleton className="h-48" />;
  const lists = [
    {
      title: 'Of the gateway, for every request',
      items: gateway.data?.config.guardrails ?? [],
      isShown: seesGateway,
    },
    {
      title: `Of the tenant ${tenant}`,
      items: own.data?.data.guardrails ?? [],
      isShown: tenant !== undefined,
    },
  ].filter(({ isShown }) => isShown);
  return (
    <div className="flex flex-col gap-3">
      {lists.map(({ title, items }) => (
        <Panel key={title} title={title}>
          {items.length === 0 ? (
            <p className="text-muted">
              None: requests and responses pass unchanged. Try some below, on texts or on what was logged,
              before you add them to the{' '}
              {title === 'Of the gateway, for every request' ? 'configuration' : 'tenant'}.
            </p>
          ) : (
            <ol className="flex flex-col gap-3">
              {items.map((item) => (
                <Item key={String(item.id)} {...item} />
              ))}
            </ol>
          )}
        </Panel>
      ))}
      {tenant !== undefined && can('tenant:write', tenant) && <GuardrailEditor tenant={tenant} />}
      <GuardrailTrial key={tenant ?? ''} />
    </div>
  );
}

function Item({ id, kind, action, on, ...rest }: Guardrail) {
  const others = Object.entries(rest).filter(
    ([, value]) => value !== null && value !== undefined && !(Array.isArray(value) && value.length === 0),
  );
  const directions = Array.isArray(on) ? on.map((one) => String(one).replace('_', ' ')).join(', ') : '';
  return (
    <li className="flex flex-col gap-1">
      <p className="flex flex-wrap gap-2 items-center">
        <code className="font-mono font-semibold">{String(id)}</code>
        <Badge>{String(kind)}</Badge>
        <Badge tone={action === 'block' ? 'warn' : 'neutral'}>{String(action)}</Badge>
        <span className="text-muted">on {directions}</span>
      </p>
      {others.length > 0 && (
        <details>
          <summary className="cursor-pointer text-muted">Settings</summary>
          <pre className="font-mono overflow-x-auto rounded bg-raised p-2">
            {JSON.stringify(Object.fromEntries(others), undefined, 2)}
          </pre>
        </details>
      )}
    </li>
  );
}
