import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { api } from '../../lib/api.ts';
import { percent } from '../../lib/format.ts';
import { useSession } from '../../lib/session.tsx';
import { type LimitUse, limitText } from '../../lib/tenancy.ts';
import { Badge, ErrorPanel, type Tone } from '../../ui/feedback.tsx';
import { Panel } from '../../ui/page.tsx';
import type { TargetState } from '../models/targets.tsx';

interface Problem {
  readonly id: string;
  readonly tone: Tone;
  readonly word: string;
  readonly text: string;
  readonly to: string;
  readonly search: Readonly<Record<string, string>>;
}

const NEAR = 0.8;
const REFRESH_MS = 10_000;

/** What fails or will fail, the worst first, each with the page that shows its cause. */
export function WrongNow() {
  const { can, tenant } = useSession();
  const seesTargets = can('platform:read');
  const targets = useQuery({
    queryKey: ['targets'],
    queryFn: () => api.get<{ data: readonly TargetState[] }>('/admin/v1/targets'),
    enabled: seesTargets,
    refetchInterval: REFRESH_MS,
  });
  const limits = useQuery({
    queryKey: ['limits', tenant],
    queryFn: () => api.get<{ data: readonly LimitUse[] }>(`/admin/v1/tenants/${tenant}/limits`),
    enabled: tenant !== undefined,
    refetchInterval: REFRESH_MS,
  });
  const problems = [...targetProblems(targets.data?.data ?? []), ...limitProblems(limits.data?.data ?? [])];
  const error = targets.error ?? limits.error;
  return (
    <Panel title="Wrong now">
      {error && <ErrorPanel what="The state could not be read" error={error} />}
      {!error && problems.length === 0 && (
        <p>
          Nothing is wrong: {seesTargets ? 'every target accepts requests' : 'no limit is near'}
          {tenant !== undefined && seesTargets ? ', and no limit is near' : ''}.
        </p>
      )}
      <ul className="flex flex-col gap-1">
        {problems.map(({ id, tone, word, text, to, search }) => (
          <li key={id} className="flex flex-wrap items-center gap-2">
            <Badge tone={tone}>{word}</Badge>
            <span className="grow min-w-0">{text}</span>
            <Link to={to} search={search} className="underline text-accent">
              Show
            </Link>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

function targetProblems(targets: readonly TargetState[]): Problem[] {
  return targets
    .filter(({ available, override }) => !available && override !== 'disable' && override !== 'drain')
    .map(({ provider, model, key, unavailable_because: because, last_failure: failure }) => ({
      ...{ id: `${provider}/${model}/${key}`, tone: 'bad', word: 'failing', to: '/models' },
      search: { tab: 'targets', target: `${provider}/${model}` },
      text: `${provider}/${model} accepts no requests: ${because ?? 'unknown'}${failure ? `; last: ${failure.message}` : ''}`,
    }));
}

function limitProblems(limits: readonly LimitUse[]): Problem[] {
  return limits
    .filter(({ used, max, mode }) => mode === 'enforce' && used !== null && Number(max) > 0)
    .map((limit) => ({ ...limit, share: Number(limit.used) / Number(limit.max) }))
    .filter(({ share }) => share >= NEAR)
    .sort((a, b) => b.share - a.share)
    .map(({ scope, subject, subject_id, of, per, max, share }) => ({
      ...{ id: `${scope} ${subject_id} ${of} ${per}`, to: '/tenants', search: { tab: 'limits' } },
      tone: share >= 1 ? 'bad' : 'warn',
      word: share >= 1 ? 'used up' : 'near',
      text: `${scope} ${subject}: ${percent(share)} of ${limitText({ of, per, max })} used`,
    }));
}
