import { useQuery } from '@tanstack/react-query';
import { api } from '../../lib/api.ts';
import { count } from '../../lib/format.ts';
import { type MetricResult, totalOf } from '../../lib/metrics.ts';
import { type ConfigItem, type ConfigSection, targetsOf } from './config-item.ts';

const MAX_NAMES = 8;

/** What depends on a provider or model. */
interface Impact {
  /** Names of models that have a target at the provider, or fall back to the model. */
  readonly models: readonly string[];
  /** Of the last 24 hours. */
  readonly requests: number;
}

async function readImpact(section: ConfigSection, id: string, signal: AbortSignal): Promise<Impact> {
  const filter = section === 'providers' ? { provider: id } : { model: id };
  const [models, metrics] = await Promise.all([
    api.get<{ data: readonly ConfigItem[] }>('/admin/v1/models', { signal }),
    api.get<MetricResult>('/admin/v1/metrics/query', { query: { metrics: 'requests', ...filter }, signal }),
  ]);
  const uses = ({ document }: ConfigItem) =>
    section === 'providers'
      ? targetsOf(document).some(({ provider }) => provider === id)
      : Array.isArray(document?.fallbacks) && document.fallbacks.includes(id);
  return {
    models: models.data.filter((model) => !model.removed && uses(model)).map((model) => model.id),
    requests: totalOf(metrics.total, 'requests') ?? 0,
  };
}

/** Says in numbers what a change of a provider or model affects. */
export function ImpactText({ section, id }: { readonly section: ConfigSection; readonly id: string }) {
  const { data, error } = useQuery({
    queryKey: ['impact', section, id],
    queryFn: ({ signal }) => readImpact(section, id, signal),
  });
  if (error) return <p className="text-muted">How much it is used could not be read: {error.message}</p>;
  if (!data) return <p className="text-muted">Reading how much it is used ...</p>;
  const { models, requests } = data;
  const rest = models.length - MAX_NAMES;
  const names = `${models.slice(0, MAX_NAMES).join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
  const relation = section === 'providers' ? 'with a target at it' : 'that fall back to it';
  return (
    <p>
      {count(requests, 'request')} in the last 24 hours; {count(models.length, 'model')} {relation}
      {models.length > 0 && `: ${names}`}.
    </p>
  );
}
