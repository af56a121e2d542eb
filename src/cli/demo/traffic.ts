import { hashText, type Random } from '../../simulator/random.ts';
import { REJECTED, type RequestFacts, type UsageEvent } from '../../storage/usage-event.ts';
import {
  DEMO_MODELS,
  type DemoKey,
  type DemoModel,
  type DemoRhythm,
  type DemoTenant,
} from './organisations.ts';

const HOUR_MS = 3_600_000;
export const DEMO_HOURS = 14 * 24;
/** Load of the week before, as a share: pages compare weeks. */
const WEEK_BEFORE = 0.82;
/** Load of the weeks before that. */
const BEFORE = 0.15;
const HOURS_OF_WEEK = 7 * 24;
/** 10^-12 US dollars of a token at one US dollar per million tokens. */
const PICO_PER_TOKEN = 1_000_000;

/** While the provider `east` failed: hours before the end of the week. */
const OUTAGE = { from: 52, to: 50.4, failing: 0.45 };
/** While the provider `west` was slow. */
const SLOWNESS = { from: 9, to: 6, factor: 3.4 };

/** Names that the stores have given to what the plan describes. */
export interface DemoNames {
  /** By the name of the key. */
  readonly keys: ReadonlyMap<string, { readonly id: string; readonly member: string | null }>;
}

export interface DemoTraffic {
  readonly tenant: DemoTenant;
  readonly names: DemoNames;
  /** End of the week, in Unix milliseconds. */
  readonly end: number;
  readonly random: Random;
}

/** How long a budget has been used up: a night is within. */
const HOURS_OVER_BUDGET = 24;

/** Load of each rhythm at an hour of the day, from 0 to 1. */
const LOAD: Readonly<Record<DemoRhythm, (hour: number) => number>> = {
  office: (hour) => bell(hour, 10, 2.6) + 0.9 * bell(hour, 15, 2.4),
  customers: (hour) => 0.12 + 0.7 * bell(hour, 12, 3.6) + 0.75 * bell(hour, 19.5, 2.4),
  steady: (hour) => 0.55 + 0.35 * bell(hour, 14, 5),
  nightly: (hour) => (hour >= 1 && hour < 4 ? 1 : 0),
};
const WEEKEND: Readonly<Record<DemoRhythm, number>> = {
  office: 0.06,
  customers: 1.15,
  steady: 0.8,
  nightly: 1,
};

function bell(hour: number, centre: number, width: number): number {
  const distance = Math.min(Math.abs(hour - centre), 24 - Math.abs(hour - centre));
  return Math.exp(-((distance / width) ** 2));
}

/**
 * A tenant's attempts of two weeks, with nights and weekends, an outage, a slow provider, hits of the cache and rejected requests.
 * @returns events by hour, the oldest first; the same for the same random numbers and names
 */
export function demoTraffic(traffic: DemoTraffic): UsageEvent[][] {
  return hoursOf(traffic, { first: DEMO_HOURS, last: 1, ids: `demo-${traffic.tenant.id}` }, (index) =>
    index > HOURS_OF_WEEK ? WEEK_BEFORE : 1,
  );
}

/**
 * Fewer attempts, of the weeks before those of {@link demoTraffic}.
 * @param hours hours before the end of the week at which they begin
 */
export function demoHistory(traffic: DemoTraffic, hours: number): UsageEvent[][] {
  const part = { first: hours, last: DEMO_HOURS + 1, ids: `demo-${traffic.tenant.id}-before` };
  return hoursOf(traffic, part, () => BEFORE);
}

interface Part {
  /** Hours before the end of the week. */
  readonly first: number;
  readonly last: number;
  /** Beginning of the ids of events. */
  readonly ids: string;
}

/** @param loadOf the load of an hour, as a share */
function hoursOf(
  { tenant, names, end, random }: DemoTraffic,
  { first, last, ids }: Part,
  loadOf: (index: number) => number,
): UsageEvent[][] {
  const hours: UsageEvent[][] = [];
  let number = 0;
  const newId = () => {
    number += 1;
    return `${ids}-${number}`;
  };
  for (let index = first; index >= last; index -= 1) {
    const from = end - index * HOUR_MS;
    const growth = loadOf(index);
    const events = tenant.keys.flatMap((key) =>
      timesOf(key, from, growth, random).flatMap((at) =>
        requestOf({ tenant, names, end, random }, key, at, newId),
      ),
    );
    hours.push(events.sort((a, b) => a.at - b.at));
  }
  return hours;
}

function timesOf({ rhythm, perHour }: DemoKey, from: number, growth: number, random: Random): number[] {
  const date = new Date(from);
  const weekday = date.getUTCDay();
  const weekend = weekday === 0 || weekday === 6 ? WEEKEND[rhythm] : 1;
  const expected =
    perHour * growth * LOAD[rhythm](date.getUTCHours()) * weekend * (0.8 + 0.4 * random.next());
  const count = Math.floor(expected + random.next());
  return Array.from({ length: count }, () => from + random.int(HOUR_MS));
}

function requestOf(
  { tenant, names, end, random }: DemoTraffic,
  key: DemoKey,
  at: number,
  newId: () => string,
): UsageEvent[] {
  const named = names.keys.get(key.name);
  const model = modelNamed(random.pick(key.models));
  if (!named) return [];
  const hoursBefore = (end - at) / HOUR_MS;
  const requestId = `req_${hex(`${tenant.id} ${newId()}`)}`;
  const common = {
    ...{ tenant: tenant.id, requestId, at, keyId: named.id, member: named.member, model: model.id },
    ...{ operation: model.output === 0 ? 'embeddings' : 'chat', tags: key.tags },
  };
  // A budget that is used up rejects the last requests of its period.
  if ((key.budgetUse ?? 0) >= 1 && hoursBefore < HOURS_OVER_BUDGET) {
    return [rejected(newId(), common, 'quota_exceeded', 429)];
  }
  if (random.next() < 0.004) return [rejected(newId(), common, 'rate_limit_exceeded', 429)];
  const inputTokens = around(model.input, 0.6, random);
  const outputTokens = model.output === 0 ? 0 : around(model.output, 0.5, random);
  const use = { inputTokens, outputTokens, reasoningTokens: reasoningOf(model, outputTokens) };
  const costPico = costOf(model, inputTokens, outputTokens);
  if (random.next() < key.cached) return [fromCache(newId(), common, model, use, costPico, random)];
  const [usual = '', other] = model.providers;
  const isOut = hoursBefore < OUTAGE.from && hoursBefore > OUTAGE.to && usual === 'east';
  const fails = random.next() < (isOut ? OUTAGE.failing : 0.006);
  const provider = fails ? other : usual;
  const failure = fails ? failed(newId(), common, usual, model, random) : undefined;
  if (failure && provider === undefined) return [asFailedRequest(failure)];
  const isSlow = hoursBefore < SLOWNESS.from && hoursBefore > SLOWNESS.to && provider === 'west';
  const firstEventMs = around(model.firstMs, 0.35, random) * (isSlow ? SLOWNESS.factor : 1);
  const speed = model.tokensPerSecond * (0.75 + 0.5 * random.next());
  const durationMs = Math.round(firstEventMs + (speed === 0 ? 0 : (outputTokens / speed) * 1_000));
  const waited = failure?.durationMs ?? 0;
  const isStream = model.output > 0;
  const leaves = random.next() < 0.008;
  const first = Math.round(firstEventMs);
  const served: UsageEvent = {
    ...{ id: newId(), ...common, provider: provider ?? usual, upstreamModel: model.upstream },
    ...{ status: leaves ? 499 : 200, outcome: leaves ? 'client_gone' : 'done', requests: 1, ...use },
    ...{ cachedTokens: 0, cacheWriteTokens: 0, costPico, estimated: leaves, durationMs },
    firstEventMs: isStream ? first : null,
    request: facts(
      durationMs + waited,
      isStream ? first + waited : null,
      leaves ? 'client_closed_request' : null,
    ),
  };
  return failure ? [failure, served] : [served];
}

type Common = Pick<
  UsageEvent,
  'tenant' | 'requestId' | 'at' | 'keyId' | 'member' | 'model' | 'operation' | 'tags'
>;
type Use = Pick<UsageEvent, 'inputTokens' | 'outputTokens' | 'reasoningTokens'>;

const NO_USE = { inputTokens: 0, outputTokens: 0, reasoningTokens: 0, cachedTokens: 0, cacheWriteTokens: 0 };

function rejected(id: string, common: Common, error: string, status: number): UsageEvent {
  return {
    ...{ id, ...common, provider: '', upstreamModel: '', status, outcome: REJECTED, requests: 0, ...NO_USE },
    ...{ costPico: 0, estimated: false, durationMs: 0, firstEventMs: null, request: facts(1, null, error) },
  };
}

function failed(id: string, common: Common, provider: string, model: DemoModel, random: Random): UsageEvent {
  const durationMs = around(2_400, 0.8, random);
  return {
    ...{
      id,
      ...common,
      provider,
      upstreamModel: model.upstream,
      status: 200,
      outcome: 'failed',
      requests: 0,
    },
    ...{ ...NO_USE, costPico: 0, estimated: false, durationMs, firstEventMs: null },
  };
}

/** No other provider serves the model: the client gets the error. */
function asFailedRequest(event: UsageEvent): UsageEvent {
  return { ...event, status: 502, requests: 1, request: facts(event.durationMs, null, 'upstream_error') };
}

function fromCache(
  id: string,
  common: Common,
  model: DemoModel,
  use: Use,
  costPico: number,
  random: Random,
): UsageEvent {
  const durationMs = 1 + random.int(4);
  const ms =
    model.firstMs + (model.tokensPerSecond === 0 ? 0 : (use.outputTokens / model.tokensPerSecond) * 1_000);
  return {
    ...{ id, ...common, provider: 'cache', upstreamModel: model.upstream, status: 200, outcome: 'cached' },
    ...{
      requests: 1,
      ...use,
      cachedTokens: 0,
      cacheWriteTokens: 0,
      costPico: 0,
      estimated: false,
      durationMs,
    },
    ...{ firstEventMs: durationMs, saved: { costPico, ms: Math.round(ms) } },
    request: facts(durationMs, durationMs, null),
  };
}

function facts(durationMs: number, firstEventMs: number | null, error: string | null): RequestFacts {
  return { durationMs, firstEventMs, error, traceId: null, count: 1 };
}

function modelNamed(id: string): DemoModel {
  const model = DEMO_MODELS.find((one) => one.id === id);
  if (!model) throw new RangeError(`The demo has no model ${id}.`);
  return model;
}

const reasoningOf = ({ upstream }: DemoModel, outputTokens: number) =>
  upstream.startsWith('simulator-reasoning') ? Math.round(outputTokens * 0.6) : 0;

function costOf({ price }: DemoModel, inputTokens: number, outputTokens: number): number {
  return Math.round(
    (inputTokens * Number(price.input) + outputTokens * Number(price.output)) * PICO_PER_TOKEN,
  );
}

/** @returns a whole number, at least 1, with a log-normal distribution around a median */
function around(median: number, spread: number, random: Random): number {
  // The sum of uniform numbers is near enough to a normal distribution.
  const normal = random.next() + random.next() + random.next() + random.next() - 2;
  return Math.max(1, Math.round(median * Math.exp(normal * 1.7 * spread)));
}

function hex(text: string): string {
  const parts = [hashText(text), hashText(`${text} again`)].flat();
  return parts.map((part) => part.toString(16).padStart(8, '0')).join('');
}
