import { GatewayError } from '../core/errors.ts';
import { MAX_SUBMISSION_MS } from '../providers/batch-client.ts';
import type { BatchUpstream } from '../providers/batch-upstream.ts';
import { changeForward, knownRemotes } from '../storage/sql/batch-forward-store.ts';
import type { BatchForwardRow } from '../storage/sql/batch-tables.ts';
import type { UsageEvent } from '../storage/usage-event.ts';
import type { Batch } from './batch.ts';
import type { BatchParts, ForwardParts } from './batch-parts.ts';
import { lineNumberOf } from './upstream-part.ts';

/** How long a provider is asked for a part of a batch that has ended: it keeps results for about as long. */
const MAX_ABANDONED_MS = 30 * 86_400_000;
/** Usage events that are stored at once. */
const EVENTS = 50;
/** HTTP status of a line whose client does not get its result. */
const NO_CLIENT = 499;

/** A part of a batch that has ended without it. */
export interface AbandonedPart {
  /** Undefined for a batch that was deleted: its lines are not metered. */
  readonly batch: Batch | undefined;
  readonly forward: BatchForwardRow;
  /** Undefined while the configuration does not forward to the provider. */
  readonly upstream: BatchUpstream | undefined;
  readonly signal: AbortSignal;
}

/**
 * Cancels a part at its provider, and meters the lines that ran there until then: the provider charges for them.
 * @returns `gone` when nothing of the part is left to do; `lost` while its submission is looked for, `running` while it runs
 * @throws GatewayError while the provider fails
 */
export async function abandonPart(
  parts: Pick<BatchParts, 'control' | 'clock'>,
  forwarding: ForwardParts,
  part: AbandonedPart,
): Promise<'gone' | 'lost' | 'running'> {
  const { forward, upstream } = part;
  const now = parts.clock.wallTime();
  if (forward.state === 'planned' || now >= forward.created_at + MAX_ABANDONED_MS) return 'gone';
  if (!upstream) return 'running';
  if (forward.state === 'submitting') {
    const { token, submitted_at: since, lines, provider } = forward;
    const known = await knownRemotes(parts.control, provider);
    const found = await upstream.find({ token, since, lines, known });
    if (found.kind === 'none' && now >= since + MAX_SUBMISSION_MS) return 'gone';
    if (found.kind !== 'found') return 'lost';
    const submitted = { state: 'submitted', remote: found.id };
    if (!(await changeForward(parts.control, forward, submitted))) return 'lost';
    return endSubmitted(forwarding, { ...part, upstream, forward: { ...forward, ...submitted } });
  }
  return endSubmitted(forwarding, { ...part, upstream });
}

async function endSubmitted(
  forwarding: ForwardParts,
  part: AbandonedPart & { readonly upstream: BatchUpstream },
): Promise<'gone' | 'running'> {
  const { batch, forward, upstream } = part;
  let state = await upstream.state(forward.remote);
  if (state.kind === 'running') {
    await upstream.cancel(forward.remote);
    state = await upstream.state(forward.remote);
  }
  if (state.kind === 'running') return 'running';
  if (batch && state.kind === 'ended') await meter(forwarding, { ...part, batch });
  try {
    await upstream.discard(forward.remote);
  } catch (error) {
    // It is metered; what is left at the provider expires there.
    if (!(error instanceof GatewayError)) throw error;
  }
  return 'gone';
}

/** Stores the usage of all results, under the names that settling uses: what was stored before is not counted again. */
async function meter(
  { usageOf, storeUsage }: ForwardParts,
  {
    batch,
    forward,
    upstream,
    signal,
  }: AbandonedPart & { readonly batch: Batch; readonly upstream: BatchUpstream },
): Promise<void> {
  const seen = new Set<number>();
  let events: UsageEvent[] = [];
  for await (const result of upstream.results(forward.remote, signal)) {
    const number = lineNumberOf(forward.token, result.id);
    if (number === undefined || number > batch.total || seen.has(number)) continue;
    seen.add(number);
    if (result.kind === 'not_run' || result.status < 200 || result.status >= 300) continue;
    const requestId = `${batch.id}-${number}`;
    const { models } = batch;
    const event = usageOf({ batch, requestId, forward, models, body: result.body, status: NO_CLIENT });
    if (event) events.push(event);
    if (events.length < EVENTS) continue;
    await storeUsage(events);
    events = [];
  }
  signal.throwIfAborted();
  if (events.length > 0) await storeUsage(events);
}
