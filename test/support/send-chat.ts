import { readableOf } from '../../src/core/push-stream.ts';
import { DeadlineMonitor } from '../../src/dispatch/deadlines.ts';
import type { Interceptor } from '../../src/pipeline/interceptor.ts';
import { ModelDirectory } from '../../src/routing/directory.ts';
import { TargetStates } from '../../src/routing/health/target-states.ts';
import { createRoutingState, Router } from '../../src/routing/router.ts';
import { FakeClock } from './fake-clock.ts';
import { answering } from './fake-transport.ts';
import { chatAnswer, chatEvent, testCall, testProvider } from './inference.ts';
import { testPipeline, testRequest } from './pipeline.ts';

export interface SendChatOptions {
  /** What stands below `interceptors:` in the configuration. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Interceptors under test that are not in the order; outermost. */
  readonly interceptors?: readonly Interceptor[];
  /** The chat completions request; of the model "chat". */
  readonly body?: Readonly<Record<string, unknown>>;
  /** The text that the upstream responds with. */
  readonly content?: string;
}

/**
 * Sends one chat through the product's interceptors to an upstream that responds at once.
 * @returns the completed request, the body that the client receives, and the body that the upstream received
 */
export async function sendChat({ config, interceptors, body = {}, content = 'hi' }: SendChatOptions = {}) {
  const clock = new FakeClock();
  const states = new TargetStates();
  const stream = body.stream === true;
  const transport = stream
    ? answering(200, `${chatEvent(content)}${chatEvent('', 'stop')}data: [DONE]\n\n`, {
        'content-type': 'text/event-stream',
      })
    : answering(200, chatAnswer(content));
  const providers = [testProvider({ id: 'p', transport })];
  const targets = [{ provider: 'p', model: 'up', weight: 1 }];
  const directory = new ModelDirectory(
    [{ id: 'chat', aliases: [], strategy: 'round-robin', targets, fallbacks: [] }],
    providers,
    () => new Map(),
  );
  const { handle } = testPipeline({
    ...{ clock, states, directory },
    deadlines: new DeadlineMonitor(
      () => clock.now(),
      () => () => undefined,
    ),
    router: new Router({ ...createRoutingState(states), directory, random: () => 0 }),
    limits: {
      firstTokenMs: 1_000,
      answerMs: Number.POSITIVE_INFINITY,
      streamIdleMs: 1_000,
      queueTimeoutMs: 1_000,
    },
    ...(config ? { config } : {}),
    ...(interceptors ? { interceptors } : {}),
  });
  const { request, outcomes } = testRequest();
  const messages = [{ role: 'user', content: 'Hi' }];
  const response = await handle(request, testCall({ model: 'chat', messages, ...body }));
  const text =
    response.kind === 'complete'
      ? response.result.text
      : await new Response(readableOf(response.body)).text();
  return { request, outcomes, text, sent: String(transport.upstreamCalls[0]?.request.body ?? '') };
}
