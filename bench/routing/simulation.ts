import { openAiChatDialect } from '../../src/api/openai/chat/dialect.ts';
import { GatewayError } from '../../src/core/errors.ts';
import type { InferenceCall } from '../../src/core/inference.ts';
import type { Provider, Target } from '../../src/providers/types.ts';
import type { ModelRoute } from '../../src/routing/directory.ts';
import { ModelDirectory } from '../../src/routing/directory.ts';
import { TargetStates } from '../../src/routing/health/target-states.ts';
import { RequestFacts } from '../../src/routing/request-facts.ts';
import { createRoutingState, Router } from '../../src/routing/router.ts';
import type { StrategyName } from '../../src/routing/strategies/index.ts';
import { EventQueue } from './event-queue.ts';
import { Replica, type ReplicaSpec } from './replica.ts';
import type { SimulatedRequest } from './workload.ts';

export interface Outcome {
  readonly strategy: StrategyName;
  /** Milliseconds from the request to its whole answer. */
  readonly p50: number;
  readonly p99: number;
  /** To the first token. */
  readonly firstP50: number;
  readonly firstP99: number;
  /** US dollars for a thousand requests. */
  readonly costPerThousand: number;
  /** Share of the prompts' blocks that were in a cache. */
  readonly hitRatio: number;
  readonly failed: number;
  readonly attempts: number;
}

export interface SimulationOptions {
  readonly strategy: StrategyName;
  readonly replicas: readonly ReplicaSpec[];
  readonly requests: readonly SimulatedRequest[];
  /** From 0 up to 1. */
  readonly random: () => number;
}

/** Only its id is looked at by the code under test. */
type NamedProvider = Pick<Provider, 'id'>;

/** The prompt, with the length of the whole as its text: routing looks at nothing else of a call. */
type SimulatedCall = Pick<InferenceCall, 'operation' | 'view' | 'headers' | 'text'>;

/** Plays requests against replicas with the gateway's own router, plans, breakers and measurements; only time is played. */
export function simulate({ strategy, replicas, requests, random }: SimulationOptions): Outcome {
  const events = new EventQueue();
  const engines = new Map(replicas.map((spec) => [spec.name, new Replica(spec, events)]));
  const prices = new Map(replicas.map(({ name, price }) => [name, price]));
  const states = new TargetStates();
  const targets = replicas.map(({ name }) => ({
    provider: { id: name } satisfies NamedProvider as Provider,
    model: 'm',
    weight: 1,
  }));
  const route: ModelRoute = {
    id: 'm',
    label: 'm',
    strategy,
    targets,
    fallbacks: [],
    fallbacksOn: {},
    strict: false,
    facts: undefined,
  };
  const router = new Router({
    ...createRoutingState(states),
    directory: new ModelDirectory([], [], () => new Map()),
    random,
    priceOf: ({ provider }) => {
      const { input, output, cached } = prices.get(provider.id) ?? { input: 0, output: 0, cached: 0 };
      return {
        input: { base: String(input) },
        output: { base: String(output) },
        cachedInput: { base: String(cached) },
      };
    },
  });
  const totals: number[] = [];
  const firsts: number[] = [];
  let [cost, blocks, hits, failed, attempts] = [0, 0, 0, 0, 0];

  const ask = (request: SimulatedRequest) => {
    const call: SimulatedCall = {
      operation: 'chat',
      view: () =>
        openAiChatDialect.requestView({ messages: request.messages, max_tokens: request.outputTokens }),
      headers: new Headers(),
      text: ' '.repeat(request.inputTokens * 4),
    };
    const facts = new RequestFacts(call, request.tenant);
    const plan = router.plan(route, facts, events.now);
    const go = () => {
      const step = plan.next(events.now, Number.POSITIVE_INFINITY);
      if (step.kind === 'none') {
        failed += 1;
        return;
      }
      if (step.kind === 'wait') {
        events.after(step.ms, go);
        return;
      }
      if (step.kind === 'queue') throw new Error('no target has a limit here');
      attempts += 1;
      attempt(step.candidate.target, step.candidate.state.begin(events.now));
    };
    const attempt = (target: Target, lease: ReturnType<ReturnType<TargetStates['of']>['begin']>) => {
      engines.get(target.provider.id)?.serve(request, (served) => {
        if (served.failed) {
          const error = new GatewayError('upstream_error', 'it fails');
          lease.end(events.now, error, undefined);
          if (plan.failed(error)) go();
          else failed += 1;
          return;
        }
        lease.responseStarted(served.firstTokenAt);
        lease.end(events.now, undefined, request.outputTokens);
        router.recordResponse(route, target, facts, events.now);
        totals.push(events.now - request.at);
        firsts.push(served.firstTokenAt - request.at);
        cost += served.cost;
        blocks += served.blocks;
        hits += served.hits;
      });
    };
    go();
  };
  for (const request of requests) events.at(request.at, () => ask(request));
  events.run();
  const quantile = (values: number[], share: number) => {
    const sorted = values.toSorted((a, b) => a - b);
    return Math.round(sorted[Math.floor(share * sorted.length)] ?? 0);
  };
  return {
    strategy,
    p50: quantile(totals, 0.5),
    p99: quantile(totals, 0.99),
    firstP50: quantile(firsts, 0.5),
    firstP99: quantile(firsts, 0.99),
    costPerThousand: (cost / Math.max(1, totals.length)) * 1_000,
    hitRatio: blocks === 0 ? 0 : hits / blocks,
    failed,
    attempts,
  };
}
