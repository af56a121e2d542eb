import { expect, test } from 'bun:test';
import { FakeClock, settle } from '../../../test/support/fake-clock.ts';
import { answering } from '../../../test/support/fake-transport.ts';
import { chatAnswer, testCall, testProvider } from '../../../test/support/inference.ts';
import { testPipeline, testRequest } from '../../../test/support/pipeline.ts';
import { DeadlineMonitor } from '../../dispatch/deadlines.ts';
import { type ModelDefinition, ModelDirectory } from '../../routing/directory.ts';
import { TargetStates } from '../../routing/health/target-states.ts';
import { createRoutingState, Router } from '../../routing/router.ts';
import type { Interceptor } from '../interceptor.ts';

/** Sends one chat to a model that is mirrored. @returns the upstream's names of the models that were asked */
async function askedBy(interceptor: Interceptor): Promise<string[]> {
  const clock = new FakeClock();
  const states = new TargetStates();
  const transport = answering(200, chatAnswer('hi'));
  const model = (id: string): ModelDefinition => ({
    id,
    aliases: [],
    strategy: 'round-robin',
    // Repeated calls continue the request's plan, which tries each target once.
    targets: [1, 2, 3].map((number) => ({ provider: 'p', model: `${id} ${number}`, weight: 1 })),
    fallbacks: [],
  });
  const experiments = { split: [], canary: undefined, mirror: { model: 'copied', percent: 100 } };
  const directory = new ModelDirectory(
    [{ ...model('chat'), experiments }, model('copied')],
    [testProvider({ id: 'p', transport })],
    () => new Map(),
  );
  const deadlines = new DeadlineMonitor(
    () => clock.now(),
    () => () => undefined,
  );
  const { handle } = testPipeline({
    ...{ clock, states, directory, deadlines, interceptors: [interceptor] },
    router: new Router({ ...createRoutingState(states), directory, random: () => 0 }),
    limits: { firstTokenMs: 1_000, answerMs: 1_000, streamIdleMs: 1_000, queueTimeoutMs: 1_000 },
  });
  await handle(
    testRequest().request,
    testCall({ model: 'chat', messages: [{ role: 'user', content: 'Hi' }] }),
  );
  await settle();
  return transport.upstreamCalls
    .map(({ request }) => String(JSON.parse(String(request.body)).model))
    .toSorted();
}

test('a request is copied once, however often an outer interceptor repeats it', async () => {
  const repeats: Interceptor = {
    name: 'repeats',
    stream: 'bytes',
    async handle(call, scope, next) {
      await next(call, scope);
      const [response] = await Promise.all([next(call, scope), next(call, scope)]);
      return response;
    },
  };
  expect(await askedBy(repeats)).toEqual(['chat 1', 'chat 2', 'chat 3', 'copied 1']);
});
