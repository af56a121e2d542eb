import type { z } from 'zod';
import { overviewObject } from '../../api/admin/overview.ts';
import { healthResponse } from '../../api/operations.ts';

type Health = z.output<typeof healthResponse>;
type Providers = NonNullable<Health['providers']>;
type Problem = z.output<typeof overviewObject>['problems'][number];

const HEALTH = ['healthy', 'degraded', 'unhealthy'] as const;
const PROVIDER = ['unknown', 'ok', 'degraded', 'down'] as const;

/**
 * Merges the health of the parent with what its workers know of providers and models.
 * @param own body of the parent's `GET /health`
 * @param others those of the workers
 * @returns one body; undefined where the parent's is not one
 */
export function mergeHealth(own: unknown, others: readonly unknown[]): string | undefined {
  const parent = healthResponse.safeParse(own);
  if (!parent.success) return undefined;
  const known = others.flatMap((body) => {
    const parsed = healthResponse.safeParse(body);
    return parsed.success ? [parsed.data] : [];
  });
  const { data } = parent;
  const providers = mergeProviders(data.providers, known);
  const models = data.models && mergeModels(data.models, known);
  const losses = data.losses && mergeLosses(data.losses, known);
  return JSON.stringify({
    ...data,
    health: worst(HEALTH, [data.health, ...known.map(({ health }) => health)]),
    ...(providers && { providers }),
    ...(models && { models }),
    ...(losses && { losses }),
  });
}

function mergeProviders(own: Health['providers'], others: readonly Health[]): Providers | undefined {
  return own?.map((provider) => {
    const all = [
      provider,
      ...others.flatMap(({ providers = [] }) => providers.filter(({ id }) => id === provider.id)),
    ];
    // The parent checks providers, and only workers use them.
    const worstUsed = all.reduce((one, other) => (other.breakers_open > one.breakers_open ? other : one));
    const targets = Math.max(...all.map((one) => one.targets));
    const unavailable = Math.max(...all.map((one) => one.targets - one.targets_available));
    return {
      ...provider,
      status: worst(
        PROVIDER,
        all.map(({ status }) => status),
      ),
      ...{ targets, targets_available: targets - unavailable, breakers_open: worstUsed.breakers_open },
    };
  });
}

function mergeModels(
  own: NonNullable<Health['models']>,
  others: readonly Health[],
): NonNullable<Health['models']> {
  const entries = Object.entries(own).map(
    ([model, isAvailable]) =>
      [model, isAvailable && others.every(({ models }) => models?.[model] !== false)] as const,
  );
  return Object.fromEntries(entries);
}

function mergeLosses(own: NonNullable<Health['losses']>, others: readonly Health[]): Health['losses'] {
  const sum = { ...own };
  for (const { losses } of others) {
    if (!losses) continue;
    sum.traces += losses.traces;
    sum.logs += losses.logs;
    sum.usage += losses.usage;
    sum.audit += losses.audit;
    sum.metrics += losses.metrics;
    sum.responses += losses.responses;
    sum.request_log += losses.request_log;
  }
  return sum;
}

function worst<Level extends string>(levels: readonly Level[], values: readonly Level[]): Level {
  const [first, ...others] = values;
  if (first === undefined) throw new RangeError('no value');
  return others.reduce((one, other) => (levels.indexOf(other) > levels.indexOf(one) ? other : one), first);
}

/**
 * Merges what is wrong in the parent and in its workers: a problem that several see is shown once.
 * @param own body of the parent's `GET /admin/v1/overview`
 * @param others those of the workers
 * @returns one body; undefined where the parent's is not one
 */
export function mergeOverviews(own: unknown, others: readonly unknown[]): string | undefined {
  const parent = overviewObject.safeParse(own);
  if (!parent.success) return undefined;
  const all = [own, ...others].flatMap((body) => {
    const parsed = overviewObject.safeParse(body);
    return parsed.success ? [parsed.data] : [];
  });
  const problems = new Map<string, Problem>();
  for (const problem of all.flatMap((overview) => overview.problems)) {
    const key = JSON.stringify([problem.kind, problem.subject, problem.tenant]);
    const known = problems.get(key);
    if (!known || (known.severity === 'warning' && problem.severity === 'failing'))
      problems.set(key, problem);
  }
  const failing = ({ severity }: Problem) => Number(severity === 'failing');
  return JSON.stringify({
    ...parent.data,
    problems: [...problems.values()].sort((one, other) => failing(other) - failing(one)),
    incomplete: all.some(({ incomplete }) => incomplete),
  });
}
