import { seeded } from '../../src/core/random.ts';
import { QueuedRequest } from '../../src/routing/admission/queued-request.ts';
import type { QueueTenant } from '../../src/routing/admission/target-gate.ts';
import { DEFAULT_HEALTH } from '../../src/routing/health/target-state.ts';
import { TargetStates } from '../../src/routing/health/target-states.ts';
import { testProvider } from '../../test/support/inference.ts';
import { EventQueue } from './event-queue.ts';

/**
 * A target that is fully sold: each of eight tenants is entitled to an eighth of it. Six send what they are entitled to,
 * one sends a quarter of that, and one sends much more. Measured is how the heavy tenant affects the light one.
 */

export interface FairnessOptions {
  /** How many times its share the heavy tenant sends. */
  readonly load: number;
  /** `arrival`: one queue for all tenants, as in a gateway that does not know tenants. */
  readonly order: 'fair' | 'arrival';
  /** How much of their shares the other tenants send. */
  readonly others?: number;
  readonly seed?: number;
}

export interface FairnessOutcome {
  readonly load: number;
  readonly order: 'fair' | 'arrival';
  /** Milliseconds until a light tenant's requests were let in; until they were answered. */
  readonly p50: number;
  readonly p99: number;
  readonly responseP99: number;
  /** Requests of light tenants that were refused. */
  readonly refused: number;
  readonly asked: number;
  /** Share of the tokens that the heavy tenant got. */
  readonly heavyShare: number;
}

const SLOTS = 32;
const TENANTS = 8;
const TOKENS_PER_SECOND = 60;
const PROMPT = 200;
const ANSWER_MEDIAN = 150;
const ANSWER_SIGMA = 0.8;
const MAX_OUTPUT_TOKENS = 2_000;
/** Mean of that log-normal length, in tokens. */
const ANSWER_MEAN = ANSWER_MEDIAN * Math.exp(ANSWER_SIGMA ** 2 / 2);
const DURATION_MS = 60 * 60_000;
const MAX_QUEUED = 1_000;
const HEAVY = 'heavy';
const LIGHT = 'light';
/** How much of its share each tenant sends. */
const sharesOf = (load: number, others: number): readonly (readonly [tenant: string, share: number])[] => [
  [HEAVY, load],
  [LIGHT, 0.25],
  ...Array.from({ length: TENANTS - 2 }, (_, index) => [`other${index}`, others] as const),
];

export async function simulateFairness({
  load,
  order,
  others = 1.2,
  seed = 7,
}: FairnessOptions): Promise<FairnessOutcome> {
  const events = new EventQueue();
  const states = new TargetStates();
  const provider = testProvider({ id: 'engine' });
  const state = states.of({ provider, model: 'm', weight: 1 });
  states.configure(DEFAULT_HEALTH, { limit: SLOTS, limits: new Map(), maxQueued: MAX_QUEUED }, 0);
  const waits: number[] = [];
  const answers: number[] = [];
  const tokensOf = new Map<string, number>();
  const outcomes: Promise<{ readonly kind: string }>[] = [];
  let asked = 0;
  let arrivals = 0;

  const ask = (tenant: string, random: () => number) => {
    const at = events.now;
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    const tokens = Math.min(MAX_OUTPUT_TOKENS, Math.ceil(ANSWER_MEDIAN * Math.exp(ANSWER_SIGMA * normal)));
    const light = tenant === LIGHT;
    if (light) asked += 1;
    // Without tenants, all requests belong to one.
    const queueTenant: QueueTenant = {
      tenant: order === 'fair' ? tenant : 'all',
      weight: 1,
      inputTokens: PROMPT,
      outputTokens: ANSWER_MEDIAN,
    };
    const serve = (lease: ReturnType<typeof state.begin>) => {
      lease.sent(events.now);
      if (light) waits.push(events.now - at);
      events.after((tokens / TOKENS_PER_SECOND) * 1_000, () => {
        if (light) answers.push(events.now - at);
        tokensOf.set(tenant, (tokensOf.get(tenant) ?? 0) + tokens);
        lease.end(events.now, undefined, tokens);
      });
    };
    const { gate } = state;
    if (!gate) throw new Error('the target has a limit');
    if (!state.full) {
      serve(state.begin(at, false, queueTenant));
      return;
    }
    const queued = new QueuedRequest({
      queueTenant,
      priority: 'normal',
      deadlineAt: at + 1e6,
      order: arrivals++,
      expiresAt: Number.POSITIVE_INFINITY,
      slots: [{ gate, acquire: () => serve(state.begin(events.now, false, queueTenant, true)) }],
    });
    if (light) outcomes.push(queued.outcome);
  };

  const each = (SLOTS * TOKENS_PER_SECOND) / ANSWER_MEAN / TENANTS;
  for (const [index, [tenant, share]] of sharesOf(load, others).entries()) {
    // Its own numbers, so that each tenant sends the same whatever the others do.
    const random = seeded(seed * 100 + index);
    const next = (at: number) => {
      if (at >= DURATION_MS) return;
      events.at(at, () => {
        ask(tenant, random);
        next(at + (-Math.log(1 - random()) * 1_000) / (each * share));
      });
    };
    next(0);
  }
  events.run();
  const quantile = (values: number[], share: number) =>
    Math.round(values.toSorted((a, b) => a - b)[Math.floor(share * values.length)] ?? 0);
  const total = [...tokensOf.values()].reduce((sum, tokens) => sum + tokens, 0);
  return {
    load,
    order,
    p50: quantile(waits, 0.5),
    p99: quantile(waits, 0.99),
    responseP99: quantile(answers, 0.99),
    refused: (await Promise.all(outcomes)).filter(({ kind }) => kind !== 'let_in').length,
    asked,
    heavyShare: (tokensOf.get(HEAVY) ?? 0) / total,
  };
}
