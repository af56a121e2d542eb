import { describe, expect, test } from 'bun:test';
import { PRINCIPAL } from '../../test/support/inference.ts';
import { testRequest } from '../../test/support/pipeline.ts';
import { GatewayError } from '../core/errors.ts';
import { RequestContext } from './request-context.ts';

const gone = new GatewayError('client_closed_request', 'gone');
const stopping = new GatewayError('shutting_down', 'stopping');

describe('RequestContext', () => {
  test('completes once, with the first outcome', () => {
    const { request, outcomes } = testRequest();
    expect(request.completed).toBe(false);
    request.complete({ kind: 'done' });
    request.complete({ kind: 'client_gone' });
    expect([request.completed, outcomes]).toEqual([true, [{ kind: 'done' }]]);
  });

  test('notifies every listener in order, also one that is added after the end', () => {
    const { request } = testRequest();
    const notified: string[] = [];
    request.onEnd(() => notified.push('first'));
    request.onEnd(() => notified.push('second'));
    request.complete({ kind: 'done' });
    request.onEnd(() => notified.push('late'));
    expect(notified).toEqual(['first', 'second', 'late']);
  });

  test('contains a listener that throws', () => {
    const faults: unknown[] = [];
    const request = new RequestContext(
      { id: 'r', principal: PRINCIPAL, operation: 'chat', route: '/r', startedAt: 0 },
      (error) => faults.push(error),
    );
    const fault = new Error('broken listener');
    let reached = false;
    request.onEnd(() => {
      throw fault;
    });
    request.onEnd(() => {
      reached = true;
    });
    request.complete({ kind: 'done' });
    expect([faults, reached]).toEqual([[fault], true]);
  });

  test('keeps the first reason of an abort, and its signal carries it', () => {
    const { request } = testRequest();
    const reasons: unknown[] = [];
    for (const _ of [1, 2])
      request.signal.addEventListener('abort', () => reasons.push(request.signal.reason));
    request.abort(gone);
    request.abort(stopping);
    expect(reasons).toEqual([gone, gone]);
    expect(request.abortReason).toBe(gone);
  });

  test('ignores aborts after its completion', () => {
    const { request } = testRequest();
    request.complete({ kind: 'done' });
    request.abort(gone);
    expect([request.abortReason, request.signal.aborted]).toEqual([undefined, false]);
  });
});
