import { expect, test } from 'bun:test';
import { settle } from '../../test/support/fake-clock.ts';
import { chatEvent } from '../../test/support/inference.ts';
import { expectNothingLeft, RequestRun } from '../../test/support/request-run.ts';
import { drainStream } from '../core/stream/drain.ts';
import type { InferenceResponse, Interceptor } from './interceptor.ts';

/** Requests that outlive their client. */

const PLAN = { stream: true, targets: ['sends'], hedged: false, busy: false, continued: false, turns: [] };
const HOUR = 3_600_000;

/** A run whose interceptor detaches a copy without a deadline, and does with its response what the test says. */
function detaching(use: (response: InferenceResponse) => void): RequestRun {
  return new RequestRun(PLAN, (run) => [
    {
      name: 'copies',
      stream: 'bytes',
      handle(call, scope, next) {
        const detached = scope.detach(Number.POSITIVE_INFINITY, 'copy');
        run.detached.push(detached.request);
        next(call, detached).then(use, () => undefined);
        return next(call, scope);
      },
    } satisfies Interceptor,
  ]);
}

/** Lets both upstream calls begin a stream, and the client's one end. */
async function beginBoth(run: RequestRun): Promise<void> {
  await settle();
  for (const upstreamCall of run.transport.upstreamCalls) {
    upstreamCall.head();
    upstreamCall.data(chatEvent('a'));
  }
  await settle();
  const own = run.transport.upstreamCalls[1];
  own?.data(`${chatEvent('', 'stop')}data: [DONE]\n\n`);
  own?.end();
  await settle();
}

test('a detached stream without a reader is cancelled after ten seconds', async () => {
  const run = detaching(() => undefined);
  await beginBoth(run);
  const [copy] = run.detached;
  const source = run.transport.upstreamCalls[0];
  while (source && !source.paused) source.data(chatEvent('a'));
  await run.advance(9_900);
  expect(copy?.completed).toBe(false);
  await run.advance(200);
  expect(copy?.outcome).toEqual({ kind: 'client_gone' });
  expect(run.defects.map(String)).toEqual([
    'Error: The stream of the detached request has no reader: req_1-copy.',
  ]);
  expect(copy?.routing.attempts.map(({ outcome }) => outcome)).toEqual(['stopped']);
  await run.finish();
  expectNothingLeft(run);
});

test('a detached request without a deadline ends after six hours', async () => {
  const run = detaching(({ body }) => {
    if (body.kind === 'stream') drainStream(body.stream);
  });
  await beginBoth(run);
  const [copy] = run.detached;
  const source = run.transport.upstreamCalls[0];
  for (let hour = 0; hour < 6; hour += 1) {
    expect(copy?.completed).toBe(false);
    for (let at = 0; at < HOUR; at += 200) {
      source?.data(': alive\n\n');
      run.clock.advance(200);
    }
    await run.advance(0);
  }
  await run.advance(2_000);
  expect(copy?.outcome).toMatchObject({ kind: 'failed', error: { code: 'deadline_exceeded' } });
  await run.finish();
  expectNothingLeft(run);
});
