import { describe, expect, test } from 'bun:test';
import { PRINCIPAL } from '../../test/support/inference.ts';
import { GatewayError } from '../core/errors.ts';
import { type Outcome, RequestContext } from './context.ts';

function create() {
  const outcomes: Outcome[] = [];
  const context = new RequestContext(
    { id: 'req_1', principal: PRINCIPAL, operation: 'chat', route: '/r', startedAt: 0 },
    (_, outcome) => outcomes.push(outcome),
  );
  return { context, outcomes };
}
const gone = new GatewayError('client_closed_request', 'gone');
const stopping = new GatewayError('shutting_down', 'stopping');

describe('RequestContext', () => {
  test('completes once, with the first outcome', () => {
    const { context, outcomes } = create();
    expect(context.completed).toBe(false);
    context.complete({ kind: 'done' });
    context.complete({ kind: 'client_gone' });
    expect([context.completed, outcomes]).toEqual([true, [{ kind: 'done' }]]);
  });

  test('keeps the first reason of an abort, and tells the phase that runs', () => {
    const { context } = create();
    const told: GatewayError[] = [];
    context.onAbort(() => {
      throw new Error('replaced');
    });
    context.onAbort((reason) => told.push(reason));
    context.abort(gone);
    context.abort(stopping);
    expect(told).toEqual([gone]);
    expect(context.aborted).toBe(gone);
  });

  test('tells a phase that begins after the abort at once', () => {
    const { context } = create();
    context.abort(gone);
    const told: GatewayError[] = [];
    context.onAbort((reason) => told.push(reason));
    expect(told).toEqual([gone]);
  });

  test('is deaf to aborts after its completion', () => {
    const { context } = create();
    context.onAbort(() => {
      throw new Error('told too late');
    });
    context.complete({ kind: 'done' });
    context.abort(gone);
    expect(context.aborted).toBeUndefined();
  });
});
