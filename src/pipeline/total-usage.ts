import type { Usage } from '../core/usage.ts';
import type { AttemptTrace } from '../dispatch/attempt-trace.ts';
import type { RoutingTrace } from '../dispatch/request.ts';
import type { RequestUsage } from './request-context.ts';

/** What is known of a response from its body. */
export interface Observed {
  readonly usage: Usage | undefined;
  readonly finishReason: string | undefined;
}

/** UTF-16 units that are kept of an upstream's text. */
const MAX_FINISH_REASON = 200;

/**
 * The usage of the response, with that of streams which broke and were continued by another target, and that of all calls
 * where one was split.
 */
export function totalUsage(
  { attempts, respondedBy }: RoutingTrace,
  observed: Observed | undefined,
): RequestUsage {
  const usage = respondedBy ? respondedBy.usage : observed?.usage;
  const finishReason = (observed?.finishReason ?? respondedBy?.finishReason)?.slice(0, MAX_FINISH_REASON);
  // Of a call that several requests shared, each has a part.
  const isShared = respondedBy?.joined !== undefined && respondedBy.estimated === true;
  const result = { usage, finishReason, estimated: isShared, cost: respondedBy?.cost };
  if (attempts.length < 2) return result;
  const isPart = ({ part, outcome }: AttemptTrace) =>
    respondedBy?.part !== undefined && part !== undefined && outcome === 'done';
  const cut = attempts.filter(
    (one) =>
      one !== respondedBy && one.firstEventAt !== undefined && (one.failure || isPart(one)) && one.usage,
  );
  if (cut.length === 0) return result;
  const sum = (of: (one: Usage) => number | undefined) =>
    [usage, ...cut.map((one) => one.usage)].reduce((total, one) => total + ((one && of(one)) ?? 0), 0);
  return {
    ...result,
    estimated: isShared || cut.some(({ estimated }) => estimated),
    usage: {
      ...(usage ?? { raw: {} }),
      inputTokens: sum(({ inputTokens }) => inputTokens),
      outputTokens: sum(({ outputTokens }) => outputTokens),
    },
  };
}
