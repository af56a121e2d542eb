import { duration, percent } from '../../lib/format.ts';
import type { AttemptDetails, RequestDetails } from './request-types.ts';

interface Bar {
  readonly label: string;
  readonly from: number;
  readonly to: number;
  readonly tone: 'gateway' | 'upstream' | 'failed' | 'stream';
}

const TONES: Readonly<Record<Bar['tone'], string>> = {
  gateway: 'bg-muted',
  upstream: 'bg-accent',
  failed: 'bg-bad',
  stream: 'bg-accent/50',
};

/** The phases and attempts of a request, drawn to scale; the gateway's own share in another tone. */
export function Timeline({ request }: { readonly request: RequestDetails }) {
  const bars = barsOf(request);
  const total = Math.max(request.duration_ms ?? 0, ...bars.map(({ to }) => to), 0.001);
  return (
    <>
      <p className="mb-2">{summaryOf(bars, total)}</p>
      <ul className="flex flex-col gap-1">
        {bars.map(({ label, from, to, tone }) => (
          <li key={`${label} ${from}`} className="grid grid-cols-[10rem_1fr_6rem] gap-2 items-center">
            <span className="truncate" title={label}>
              {label}
            </span>
            <span className="relative h-3 rounded bg-raised">
              <span
                className={`absolute h-3 rounded min-w-0.5 ${TONES[tone]}`}
                style={{ left: `${(from / total) * 100}%`, width: `${((to - from) / total) * 100}%` }}
              />
            </span>
            <span className="text-right">{duration(to - from)}</span>
          </li>
        ))}
      </ul>
    </>
  );
}

const SHARE_OF: Readonly<Record<Bar['tone'], (label: string) => string>> = {
  gateway: (label) => (label === 'gateway' ? 'was spent in the gateway' : `went to: ${label}`),
  upstream: (label) => `was waiting for ${label}`,
  failed: (label) => `went to an attempt at ${label} that failed`,
  stream: () => 'was the stream of the response',
};

/** Says in a sentence which part took longest. */
function summaryOf(bars: readonly Bar[], total: number): string {
  const [longest] = bars.toSorted((a, b) => b.to - b.from - (a.to - a.from));
  if (!longest) return '';
  const took = longest.to - longest.from;
  return `${percent(took / total)} of ${duration(total)} ${SHARE_OF[longest.tone](longest.label)}.`;
}

function barsOf(request: RequestDetails): Bar[] {
  const { attempts, queued_ms: queued = 0, loading_ms: loading = 0, duration_ms: total = 0 } = request;
  const bars: Bar[] = [];
  const first = startOf(attempts[0]) ?? 0;
  const own = Math.max(0, first - queued - loading);
  if (own > 0) bars.push({ label: 'gateway', from: 0, to: own, tone: 'gateway' });
  if (queued > 0) bars.push({ label: 'queue', from: own, to: own + queued, tone: 'gateway' });
  if (loading > 0) bars.push({ label: 'engine starts', from: first - loading, to: first, tone: 'gateway' });
  let end = first;
  for (const attempt of attempts) {
    const from = startOf(attempt) ?? end;
    const to = attempt.ended_ms ?? from + (attempt.duration_ms ?? 0);
    const name = `${attempt.provider}/${attempt.model}`;
    const hasFailed = attempt.error !== undefined || attempt.outcome === 'failed';
    const head = attempt.first_event_ms;
    if (head !== undefined && head > from && head < to && !hasFailed) {
      bars.push(
        { label: name, from, to: head, tone: 'upstream' },
        { label: 'stream', from: head, to, tone: 'stream' },
      );
    } else bars.push({ label: name, from, to, tone: hasFailed ? 'failed' : 'upstream' });
    end = Math.max(end, to);
  }
  if (total - end > 0.05) bars.push({ label: 'gateway', from: end, to: total, tone: 'gateway' });
  return bars;
}

function startOf(attempt: AttemptDetails | undefined): number | undefined {
  return attempt?.at_ms;
}
