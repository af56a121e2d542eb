import { describe, expect, test } from 'bun:test';
import { settle } from '../../test/support/fake-clock.ts';
import { PRINCIPAL } from '../../test/support/inference.ts';
import { Lifecycle } from './lifecycle.ts';
import { RequestContext } from './request-context.ts';

const request = () =>
  new RequestContext(
    { id: 'req_1', principal: PRINCIPAL, operation: 'chat', route: '/r', startedAt: 0 },
    () => undefined,
  );

describe('Lifecycle', () => {
  test('takes requests until it drains', () => {
    const lifecycle = new Lifecycle();
    lifecycle.assertAccepting();
    lifecycle.ready();
    lifecycle.assertAccepting();
    expect(lifecycle.state).toBe('ready');
    void lifecycle.drain();
    expect(() => lifecycle.assertAccepting()).toThrow('shutting down');
    lifecycle.ready();
    expect(lifecycle.state).toBe('draining');
    lifecycle.stopped();
    expect(() => lifecycle.assertAccepting()).toThrow('shutting down');
  });

  test('is drained when the last request has ended', async () => {
    const lifecycle = new Lifecycle();
    const [one, two] = [request(), request()];
    lifecycle.begin(one);
    lifecycle.begin(two);
    let drained = false;
    const drain = lifecycle.drain().then(() => {
      drained = true;
    });
    lifecycle.end(one);
    lifecycle.end(one);
    await settle();
    expect([lifecycle.active, drained]).toEqual([1, false]);
    lifecycle.end(two);
    await drain;
    expect(drained).toBe(true);
  });

  test('is drained at once when nothing is going on', async () => {
    await new Lifecycle().drain();
  });

  test('aborts what is in flight, even while requests end under its hands', () => {
    const lifecycle = new Lifecycle();
    const contexts = [request(), request(), request()];
    for (const context of contexts) {
      lifecycle.begin(context);
      context.signal.addEventListener('abort', () => lifecycle.end(context));
    }
    lifecycle.abortAll();
    expect(contexts.map(({ abortReason }) => abortReason?.code)).toEqual([
      'shutting_down',
      'shutting_down',
      'shutting_down',
    ]);
    expect(lifecycle.active).toBe(0);
  });
});
