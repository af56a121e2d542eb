import { expect, test } from 'bun:test';
import { Cancellation } from './cancellation.ts';
import { GatewayError } from './errors.ts';

const gone = new GatewayError('client_closed_request', 'gone');
const stopping = new GatewayError('shutting_down', 'stopping');

test('the first reason counts, for listeners and for the signal', () => {
  const cancellation = new Cancellation();
  const told: unknown[] = [];
  cancellation.onCancel((reason) => told.push(reason));
  const { signal } = cancellation;
  signal.addEventListener('abort', () => told.push('signal', signal.reason));
  expect([cancellation.reason, signal.aborted]).toEqual([undefined, false]);
  cancellation.cancel(gone);
  cancellation.cancel(stopping);
  expect(told).toEqual([gone, 'signal', gone]);
  expect(cancellation.reason).toBe(gone);
});

test('a signal and a listener that come late learn the reason too', () => {
  const cancellation = new Cancellation();
  cancellation.cancel(gone);
  const told: unknown[] = [];
  cancellation.onCancel((reason) => told.push(reason));
  expect(told).toEqual([gone]);
  expect([cancellation.signal.aborted, cancellation.signal.reason]).toEqual([true, gone]);
  expect(cancellation.signal).toBe(cancellation.signal);
});

test('a removed listener is not called', () => {
  const cancellation = new Cancellation();
  const told: string[] = [];
  const removed = () => told.push('removed');
  cancellation.onCancel(removed);
  cancellation.onCancel(() => told.push('kept'));
  cancellation.removeListener(removed);
  cancellation.cancel(gone);
  expect(told).toEqual(['kept']);
});
