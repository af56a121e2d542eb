import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { api } from '../../lib/api.ts';
import { useSession } from '../../lib/session.tsx';
import { Badge, ErrorPanel } from '../../ui/feedback.tsx';
import { Panel } from '../../ui/page.tsx';

interface Problem {
  readonly kind:
    | 'target_unavailable'
    | 'target_slow'
    | 'engine'
    | 'storage'
    | 'losses'
    | 'limit'
    | 'webhook'
    | 'alert';
  readonly severity: 'failing' | 'warning';
  readonly subject: string;
  readonly message: string;
  readonly tenant: string | null;
  readonly details: Readonly<Record<string, string | number | null>>;
}

interface Overview {
  readonly problems: readonly Problem[];
  readonly incomplete: boolean;
}

/** The page that shows the cause; none for what only logs and runbooks explain. */
const CAUSES: Readonly<
  Record<Problem['kind'], { readonly to: string; readonly search: Record<string, string> } | undefined>
> = {
  target_unavailable: { to: '/models', search: { tab: 'targets' } },
  target_slow: { to: '/models', search: { tab: 'targets' } },
  engine: { to: '/models', search: { tab: 'engines' } },
  limit: { to: '/tenants', search: { tab: 'limits' } },
  webhook: { to: '/events', search: { tab: 'webhooks' } },
  alert: { to: '/alerts', search: {} },
  storage: undefined,
  losses: undefined,
};

/** What fails or will fail, the worst first, each with the page that shows its cause. */
export function WrongNow() {
  const { tenant, selectTenant } = useSession();
  const { data, error, refetch } = useQuery({
    queryKey: ['overview'],
    queryFn: () => api.get<Overview>('/admin/v1/overview'),
    refetchInterval: 10_000,
  });
  const problems =
    data?.problems.filter((one) => tenant === undefined || one.tenant === null || one.tenant === tenant) ??
    [];
  return (
    <Panel title="Wrong now">
      {error && <ErrorPanel what="The state could not be read" error={error} retry={() => void refetch()} />}
      {data && problems.length === 0 && (
        <p>Nothing is wrong: targets accept requests, no limit is near, and nothing was lost.</p>
      )}
      <ul className="flex flex-col gap-1">
        {problems.map((problem) => {
          const { kind, severity, subject, message, tenant: of, details } = problem;
          const cause = CAUSES[kind];
          const target = kind === 'target_unavailable' || kind === 'target_slow' ? { target: subject } : {};
          const opened =
            kind === 'webhook'
              ? { webhook: String(details.webhook) }
              : kind === 'alert'
                ? { alert: String(details.alert) }
                : {};
          return (
            <li key={`${kind} ${of} ${subject} ${message}`} className="flex flex-wrap items-center gap-2">
              <Badge tone={severity === 'failing' ? 'bad' : 'warn'}>{severity}</Badge>
              <span className="grow min-w-0">
                {message}
                {typeof details.last_failure === 'string' && (
                  <span className="text-muted"> {details.last_failure}</span>
                )}
              </span>
              {cause && (
                <Link
                  to={cause.to}
                  search={{ ...cause.search, ...target, ...opened }}
                  onClick={() =>
                    (of !== null || kind === 'webhook' || kind === 'alert') && selectTenant(of ?? undefined)
                  }
                  className="underline text-accent"
                >
                  Show
                </Link>
              )}
            </li>
          );
        })}
      </ul>
      {data?.incomplete && <p className="text-muted">There is more than is shown.</p>}
    </Panel>
  );
}
