import { REJECTED, type UsageEvent } from './usage-event.ts';

/** A request as its usage events tell of it. */
export interface KeptRequest {
  /** The event that counts for it. */
  readonly main: UsageEvent;
  /** Its attempts in their order; without those that reached no target. */
  readonly attempts: readonly UsageEvent[];
  /** Of all attempts; undefined where one has no known price. */
  readonly costPico: number | undefined;
}

/** What requests are looked for. Members are combined by "and"; absent ones match all. */
export interface RequestFilter {
  readonly id?: string | undefined;
  readonly user?: string | undefined;
  readonly key?: string | undefined;
  readonly model?: string | undefined;
  readonly provider?: string | undefined;
  readonly tag?: string | undefined;
  /** A status, or the first digit of statuses. */
  readonly status?: number | undefined;
  /** Code of the error. */
  readonly error?: string | undefined;
  readonly minCostPico?: number | undefined;
  readonly maxCostPico?: number | undefined;
  readonly minDurationMs?: number | undefined;
}

/** The largest values of a batch: what is larger is not in it. */
export interface BatchMaxima {
  readonly costPico: number;
  readonly durationMs: number;
}

/**
 * Groups the events of a batch by request. Events of a request are next to each other; one that counts begins another
 * request where the id is repeated, which clients may do.
 */
export function requestsIn(events: readonly UsageEvent[]): KeptRequest[] {
  const found: KeptRequest[] = [];
  let group: UsageEvent[] = [];
  let hasMain = false;
  const close = () => {
    const main = group.find(isMain);
    if (main) found.push(requestOf(main, group));
    group = [];
    hasMain = false;
  };
  for (const event of events) {
    const other = group[0] !== undefined && group[0].requestId !== event.requestId;
    if (other || (hasMain && isMain(event))) close();
    group.push(event);
    hasMain ||= isMain(event);
  }
  close();
  return found;
}

/** @param events of one request */
export function requestOf(main: UsageEvent, events: readonly UsageEvent[]): KeptRequest {
  const attempts = events.filter(({ outcome }) => outcome !== REJECTED);
  let costPico: number | undefined = 0;
  for (const { costPico: cost } of attempts) {
    costPico = cost === null || costPico === undefined ? undefined : costPico + cost;
  }
  return { main, attempts, costPico };
}

export const isMain = ({ requests, outcome }: UsageEvent) => requests > 0 || outcome === REJECTED;

/** @returns milliseconds from the arrival of the request to its end, or those of its attempt where that is not known */
export const durationOf = ({ main }: KeptRequest) => main.request?.durationMs ?? main.durationMs;

/** Whether a request has all that a filter asks for. */
export function matches(request: KeptRequest, filter: RequestFilter): boolean {
  const { main, attempts, costPico } = request;
  const is = (wanted: string | undefined, value: string | null | undefined) =>
    wanted === undefined || wanted === value;
  return (
    is(filter.id, main.requestId) &&
    is(filter.user, main.member) &&
    is(filter.key, main.keyId) &&
    is(filter.model, main.model) &&
    is(filter.error, main.request?.error) &&
    (filter.provider === undefined || attempts.some(({ provider }) => provider === filter.provider)) &&
    (filter.tag === undefined || main.tags.includes(filter.tag)) &&
    (filter.status === undefined || hasStatus(main.status, filter.status)) &&
    (filter.minCostPico === undefined || (costPico ?? 0) >= filter.minCostPico) &&
    (filter.maxCostPico === undefined || (costPico ?? 0) <= filter.maxCostPico) &&
    (filter.minDurationMs === undefined || durationOf(request) >= filter.minDurationMs)
  );
}

const hasStatus = (status: number, wanted: number) =>
  wanted < 10 ? Math.floor(status / 100) === wanted : status === wanted;

/** @returns the texts by which a batch is found: those that `wantedTexts` asks for */
export function textsOf(events: readonly UsageEvent[]): Set<string> {
  const texts = new Set<string>();
  for (const { requestId, member, keyId, model, provider, tags, status, request } of events) {
    texts.add(`i${requestId}`);
    texts.add(`k${keyId}`);
    texts.add(`m${model}`);
    texts.add(`p${provider}`);
    texts.add(`s${status}`);
    texts.add(`s${Math.floor(status / 100)}`);
    if (member !== null) texts.add(`u${member}`);
    if (request?.error) texts.add(`e${request.error}`);
    for (const tag of tags) texts.add(`t${tag}`);
    if (status < FIRST_ERROR) continue;
    // Busy keys are in every batch, and so are errors; errors of one key are in few.
    const pairs = { k: keyId, u: member, m: model, p: provider };
    for (const [kind, value] of Object.entries(pairs)) texts.add(errorOf(kind, value ?? '', status));
  }
  return texts;
}

const FIRST_ERROR = 400;
const classOf = (status: number) => (status < 10 ? status : Math.floor(status / 100));
const errorOf = (kind: string, value: string, status: number) => `x${kind}${classOf(status)}${value}`;

/** @returns the texts that a batch must have for a filter to match one of its requests */
export function wantedTexts({
  id,
  user,
  key,
  model,
  provider,
  tag,
  status,
  error,
}: RequestFilter): readonly string[] {
  const wanted = { i: id, u: user, k: key, m: model, p: provider, t: tag, s: status, e: error };
  return Object.entries(wanted).flatMap(([kind, value]) => {
    if (value === undefined) return [];
    const isPair = status !== undefined && classOf(status) >= 4 && 'kump'.includes(kind);
    return isPair ? [`${kind}${value}`, errorOf(kind, String(value), status)] : [`${kind}${value}`];
  });
}

/** @returns the largest cost and duration of a request of the events */
export function maximaOf(events: readonly UsageEvent[]): BatchMaxima {
  let costPico = 0;
  let durationMs = 0;
  for (const request of requestsIn(events)) {
    costPico = Math.max(costPico, request.costPico ?? 0);
    durationMs = Math.max(durationMs, durationOf(request));
  }
  return { costPico, durationMs };
}
