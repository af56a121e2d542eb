import { describe, expect, test } from 'bun:test';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { answering, type FakeTransport } from '../../test/support/fake-transport.ts';
import { chatAnswer, testCall, testProvider } from '../../test/support/inference.ts';
import { testPipeline, testRequest } from '../../test/support/pipeline.ts';
import { GatewayError } from '../core/errors.ts';
import { DeadlineMonitor } from '../dispatch/deadlines.ts';
import { allFailed } from '../dispatch/dispatch-errors.ts';
import { ModelDirectory } from '../routing/directory.ts';
import { TargetStates } from '../routing/health/target-states.ts';
import { createRoutingState, Router } from '../routing/router.ts';

/** One model "asked" with a target for each transport, tried in this order. */
async function ask(transports: readonly FakeTransport[], model = 'asked', weight = 1) {
  const clock = new FakeClock();
  const states = new TargetStates();
  const providers = transports.map((transport, index) => testProvider({ id: `p${index}`, transport }));
  const targets = providers.map(({ id }) => ({ provider: id, model: 'up', weight }));
  const directory = new ModelDirectory(
    [{ id: 'asked', aliases: ['other'], strategy: 'round-robin', targets, fallbacks: [] }],
    providers,
    () => new Map(),
  );
  const { request, outcomes } = testRequest();
  const { handle } = testPipeline({
    ...{ clock, states, directory },
    deadlines: new DeadlineMonitor(
      () => clock.now(),
      () => () => undefined,
    ),
    router: new Router({
      ...createRoutingState(states),
      directory,
      random: () => 0,
      retry: { attempts: 1, baseMs: 0, maxMs: 0, budget: 0 },
    }),
    limits: {
      firstTokenMs: 100,
      answerMs: Number.POSITIVE_INFINITY,
      streamIdleMs: 100,
      queueTimeoutMs: 500,
    },
  });
  const answer = await handle(request, testCall({ model })).catch((error: unknown) => {
    if (error instanceof GatewayError) return error;
    throw error;
  });
  return { answer, request, outcomes };
}

const failing = (status: number, message: string) =>
  answering(status, JSON.stringify({ error: { message } }));

describe('targets', () => {
  test('are tried in order until one answers; the request records every attempt', async () => {
    const { answer, request, outcomes } = await ask([
      failing(500, 'broken'),
      failing(429, 'busy'),
      answering(200, chatAnswer()),
    ]);
    expect(answer).toMatchObject({ kind: 'complete', source: { target: { provider: { id: 'p2' } } } });
    expect(
      request.routing.attempts.map(({ provider, failure }) => [
        provider,
        failure?.code,
        failure?.upstreamStatus,
      ]),
    ).toEqual([
      ['p0', 'upstream_error', 500],
      ['p1', 'upstream_rate_limited', 429],
      ['p2', undefined, undefined],
    ]);
    expect(outcomes).toEqual([{ kind: 'done' }]);
    expect([
      request.routing.modelLabel,
      request.usage.usage?.inputTokens,
      request.usage.finishReason,
    ]).toEqual(['asked', 3, 'stop']);
  });

  test('are not tried further when the request itself was refused', async () => {
    const second = answering(200, chatAnswer());
    const { answer } = await ask([failing(400, 'too long'), second]);
    expect(answer).toMatchObject({
      code: 'upstream_rejected',
      message: 'too long',
      details: { attempts: [{ provider: 'p0' }] },
    });
    expect(second.upstreamCalls).toEqual([]);
  });

  test('that all fail are all named, and no single one’s error object hides them', async () => {
    const { answer, outcomes } = await ask([failing(500, 'broken'), failing(429, 'busy')]);
    expect(answer).toMatchObject({ code: 'upstream_rate_limited', status: 429 });
    if (!(answer instanceof GatewayError)) throw new Error('an error is expected');
    expect(answer.message).toStartWith('All 2 targets failed.');
    expect(answer.message).toMatch(/p0\/up: .*broken.* \| p1\/up: .*busy/);
    expect(answer.details.upstreamBody).toBeUndefined();
    expect(answer.details.attempts).toHaveLength(2);
    expect(outcomes).toHaveLength(1);
  });

  test('that are tried several times are counted once, with the number of attempts', async () => {
    const failures = (...names: string[]) =>
      names.map((provider) => ({
        ...{ provider, model: 'up', code: 'upstream_error' as const, message: 'broken', durationMs: 1 },
      }));
    const last = new GatewayError('upstream_error', 'broken');
    expect(allFailed(last, failures('a', 'b', 'a', 'b')).message).toBe(
      'All 2 targets failed in 4 attempts. a/up: broken (2 times) | b/up: broken (2 times)',
    );
    expect(allFailed(last, failures('a', 'a', 'a')).message).toBe(
      'The target failed in 3 attempts. a/up: broken (3 times)',
    );
  });

  test('that fail alone are not wrapped', async () => {
    const { answer } = await ask([failing(429, 'busy')]);
    expect(answer).toMatchObject({
      message: 'busy',
      details: { upstreamBody: { error: { message: 'busy' } } },
    });
  });

  test('may all be out of use', async () => {
    const { answer } = await ask([answering(200, chatAnswer())], 'asked', 0);
    expect(answer).toMatchObject({ code: 'model_not_found', message: 'Model "asked" has no target.' });
  });
});

describe('an unknown model', () => {
  test('is reported with similar names', async () => {
    const { answer, request, outcomes } = await ask([], 'aksed');
    expect(answer).toMatchObject({ code: 'model_not_found', param: 'model', status: 404 });
    expect(answer).toHaveProperty('message', 'The model "aksed" does not exist. Did you mean "asked"?');
    expect(request.routing.modelLabel).toBeUndefined();
    expect(outcomes).toMatchObject([{ kind: 'failed' }]);
  });

  test('is reported with the vendor that is missing, and the variable that configures it', async () => {
    const { answer } = await ask([], 'gpt-4o');
    expect(answer).toHaveProperty(
      'message',
      'The model "gpt-4o" does not exist. OpenAI is not configured: set OPENAI_API_KEY at the gateway, or add the provider to its configuration.',
    );
    expect(await ask([], 'claude-sonnet-4-5')).toMatchObject({
      answer: { message: expect.stringContaining('set ANTHROPIC_API_KEY') },
    });
  });

  test('is reported with a truncated name when the name is long', async () => {
    const { answer } = await ask([], 'x'.repeat(100_000));
    if (!(answer instanceof GatewayError)) throw new Error('an error is expected');
    expect(answer.message.length).toBeLessThan(400);
    expect(answer.message).toContain('GET /v1/models');
  });
});
