import { describe, expect, test } from 'bun:test';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { PRINCIPAL } from '../../test/support/inference.ts';
import { silentLogger } from '../../test/support/log.ts';
import { testPipelineRoute } from '../../test/support/pipeline.ts';
import { GatewayError } from '../core/errors.ts';
import type { AttemptTrace } from '../dispatch/attempt-trace.ts';
import { NO_CONTROLS } from '../dispatch/request.ts';
import { Metrics } from '../observability/metrics.ts';
import { Recorder } from './recorder.ts';
import { type Outcome, RequestContext } from './request-context.ts';

function create(logRequests = true) {
  const clock = new FakeClock();
  const stats = () => ({
    cpuSeconds: 0,
    residentBytes: 0,
    startedAtSeconds: 0,
    openFiles: undefined,
  });
  const metrics = new Metrics(stats, () => 0, { takeMaxDelay: () => 0, takeMaxBusy: () => 0 });
  const lines: Record<string, unknown>[] = [];
  const log = {
    logger: silentLogger(),
    request: (fields: object) => lines.push({ ...fields }),
    flush: () => Promise.resolve(),
    relay: () => undefined,
    losses: { stdout: 0, files: 0 },
  };
  const recorder = new Recorder(metrics, log, clock, () => logRequests);
  const context = new RequestContext({
    id: 'req_1',
    principal: PRINCIPAL,
    operation: 'chat',
    route: '/v1/chat/completions',
    startedAt: 0,
  });
  context.onEnd((outcome) => recorder.requestCompleted(context, outcome));
  /** The value of the one sample with this name and these labels; 0 when there is none. */
  const sample = async (name: string, labels: Readonly<Record<string, string>> = {}) => {
    const wanted = Object.entries(labels).map(([key, value]) => `${key}="${value}"`);
    const page = await metrics.render();
    const found = page
      .split('\n')
      .filter(
        (line) =>
          (line.startsWith(`${name}{`) || line.startsWith(`${name} `)) &&
          wanted.every((pair) => line.includes(pair)),
      );
    expect(found.length).toBeLessThan(2);
    return Number(found[0]?.split(' ').at(-1) ?? 0);
  };
  return { clock, recorder, context, lines, sample, metrics };
}

const trace = (more: Partial<AttemptTrace> = {}): AttemptTrace => ({
  provider: 'p',
  model: 'up',
  startedAt: 1,
  firstEventAt: undefined,
  endedAt: undefined,
  failure: undefined,
  ...more,
});

describe('Recorder', () => {
  test('counts a stream’s time and tokens, and writes one line', async () => {
    const { clock, context, lines, sample } = create();
    context.controls = { ...NO_CONTROLS, model: 'alias', stream: true };
    context.routing.route = testPipelineRoute('chat');
    context.timing.committedAt = 200;
    context.usage.finishReason = 'stop';
    context.usage.usage = { inputTokens: 10, outputTokens: 9, cachedInputTokens: 4, raw: {} };
    context.routing.queuedMs = 20;
    context.routing.attempts.push(
      trace({ provider: 'p0', startedAt: 50 }),
      trace({ startedAt: 100, endedAt: 900 }),
    );
    clock.advance(1_000);
    context.complete({ kind: 'done' });

    expect(await sample('llm_requests_total', { model: 'chat', provider: 'p', status: '200' })).toBe(1);
    expect(await sample('llm_request_duration_seconds_sum', { model: 'chat' })).toBeCloseTo(1);
    expect(await sample('llm_time_to_first_token_seconds_sum', { model: 'chat' })).toBeCloseTo(0.2);
    expect(await sample('llm_time_per_output_token_seconds_sum', { model: 'chat' })).toBeCloseTo(0.1);
    expect(await sample('llm_tokens_total', { direction: 'input' })).toBe(10);
    expect(await sample('llm_tokens_total', { direction: 'cached' })).toBe(4);
    expect(await sample('llm_tokens_total', { direction: 'reasoning' })).toBe(0);
    expect(await sample('llm_tokens_generated_total', { model: 'chat' })).toBe(9);
    expect(lines).toMatchObject([
      {
        request_id: 'req_1',
        key: 'key_1',
        model: 'alias',
        provider: 'p',
        upstream_model: 'up',
        status: 200,
        outcome: 'done',
        attempts: 2,
        duration_ms: 1_000,
        ...{ routed_model: 'chat', gateway_ms: 30, queued_ms: 20, upstream_ms: 800 },
        first_event_ms: 200,
        input_tokens: 10,
        cached_tokens: 4,
        finish_reason: 'stop',
      },
    ]);
  });

  test.each<[Outcome, number]>([
    [{ kind: 'client_gone' }, 499],
    [{ kind: 'failed', error: new GatewayError('upstream_timeout', 'slow') }, 504],
  ])('gives %j its status', async (outcome, status) => {
    const { context, sample } = create();
    context.complete(outcome);
    expect(context.response.status).toBe(status);
    expect(
      await sample('llm_requests_total', { model: 'unknown', provider: 'none', status: String(status) }),
    ).toBe(1);
  });

  test('has no first token where there is no stream', async () => {
    const { context, sample } = create();
    context.routing.route = testPipelineRoute('chat');
    context.timing.committedAt = 200;
    context.complete({ kind: 'done' });
    expect(await sample('llm_time_to_first_token_seconds_count')).toBe(0);
  });

  test('counts attempts, their failures, and the gateway’s own time before the first', async () => {
    const { recorder, context, sample } = create();
    const failure = {
      provider: 'p0',
      model: 'up',
      code: 'upstream_error',
      message: 'm',
      durationMs: 1,
    } as const;
    const failed = trace({ provider: 'p0', startedAt: 2, failure });
    context.routing.attempts.push(failed);
    recorder.attemptEnded(failed, context);
    const good = trace({ startedAt: 5, firstEventAt: 505 });
    context.routing.attempts.push(good);
    recorder.attemptEnded(good, context);
    expect(await sample('llm_provider_requests_total', { provider: 'p0' })).toBe(1);
    expect(await sample('llm_provider_errors_total', { provider: 'p0', code: 'upstream_error' })).toBe(1);
    expect(await sample('llm_provider_latency_seconds_sum', { provider: 'p' })).toBeCloseTo(0.5);
    expect(await sample('llm_gateway_overhead_seconds_count')).toBe(1);
    expect(await sample('llm_gateway_overhead_seconds_sum')).toBeCloseTo(0.002);
  });

  test('has OpenTelemetry’s histograms beside its own', async () => {
    const { clock, recorder, context, sample } = create();
    context.controls = { ...NO_CONTROLS, model: 'alias', stream: true };
    context.routing.route = testPipelineRoute('chat');
    context.timing.committedAt = 200;
    const usage = { inputTokens: 10, outputTokens: 9, raw: {} };
    context.usage.usage = usage;
    const attempt = trace({ endedAt: 501, firstEventAt: 200, usage });
    context.routing.attempts.push(attempt);
    recorder.attemptEnded(attempt, context);
    clock.advance(1_000);
    context.complete({ kind: 'done' });
    const chat = { gen_ai_operation_name: 'chat' };
    const upstream = { ...chat, gen_ai_request_model: 'up' };
    const own = { ...chat, gen_ai_request_model: 'chat' };
    expect(
      await sample('gen_ai_client_operation_duration_seconds_sum', { ...upstream, error_type: '' }),
    ).toBeCloseTo(0.5);
    const tokens = (type: string) => ({ ...upstream, gen_ai_token_type: type });
    expect(await sample('gen_ai_client_token_usage_sum', tokens('input'))).toBe(10);
    expect(await sample('gen_ai_client_token_usage_sum', tokens('output'))).toBe(9);
    expect(await sample('gen_ai_server_time_to_first_token_seconds_sum', own)).toBeCloseTo(0.2);
    expect(await sample('gen_ai_server_time_per_output_token_seconds_sum', own)).toBeCloseTo(0.1);
  });

  test('counts requests and tokens of the tenant, whatever the model', async () => {
    const { context, sample } = create();
    context.usage.usage = { inputTokens: 10, outputTokens: 9, reasoningTokens: 2, raw: {} };
    context.complete({ kind: 'done' });
    const { tenant } = PRINCIPAL;
    expect(await sample('llm_tenant_requests_total', { tenant, status: '200' })).toBe(1);
    expect(await sample('llm_tenant_tokens_total', { tenant, direction: 'reasoning' })).toBe(2);
    expect(await sample('llm_requests_total', { stream: 'false' })).toBe(1);
  });

  test('names no upstream model that a client invents', async () => {
    const { recorder, context, sample } = create();
    for (let index = 0; index < 10_000; index += 1) {
      context.routing.route = { ...testPipelineRoute(`p/m${index}`), label: 'p/other' };
      recorder.attemptEnded(trace({ model: `m${index}`, endedAt: 2 }), context);
    }
    const labels = { gen_ai_request_model: 'p/other' };
    expect(await sample('gen_ai_client_operation_duration_seconds_count', labels)).toBe(10_000);
    expect(await sample('gen_ai_client_operation_duration_seconds_count')).toBe(10_000);
  });

  test('counts 10,000 models at 10,000 providers without a series for each', async () => {
    const { recorder, sample, metrics } = create(false);
    for (let index = 0; index < 10_000; index += 1) {
      const request = new RequestContext({
        ...{ id: `r${index}`, principal: { ...PRINCIPAL, tenant: `t${index}` }, operation: 'chat' },
        ...{ route: '/v1/chat/completions', startedAt: 0 },
      });
      request.routing.route = testPipelineRoute(`m${index}`);
      const attempt = trace({ provider: `p${index}`, firstEventAt: 2 });
      request.routing.attempts.push(attempt);
      recorder.attemptEnded(attempt, request);
      request.usage.usage = { inputTokens: 1, outputTokens: 1, raw: {} };
      request.complete({ kind: 'done' });
      recorder.requestCompleted(request, { kind: 'done' });
    }
    const page = await metrics.render();
    const sets = new Map<string, number>();
    for (const [, name = ''] of page.matchAll(/^(\w+)\{(?!le=)/gm)) sets.set(name, (sets.get(name) ?? 0) + 1);
    expect(sets.get('llm_requests_total')).toBe(101);
    for (const count of sets.values()) expect(count).toBeLessThanOrEqual(102);
    expect(await sample('llm_requests_total', { model: 'other', provider: 'other', status: '200' })).toBe(
      9_900,
    );
    expect(await sample('llm_provider_requests_total', { provider: 'other' })).toBe(9_900);
  });

  test('writes no line when none are wanted', () => {
    const { context, lines } = create(false);
    context.complete({ kind: 'done' });
    expect(lines).toEqual([]);
  });
});
