import { expect, test } from 'bun:test';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { PRINCIPAL } from '../../test/support/inference.ts';
import { GatewayError } from '../core/errors.ts';
import { eventOf, lineOf, type UsageEvent } from '../storage/usage-event.ts';
import { RejectedRequests } from './rejected-requests.ts';
import { type Outcome, RequestContext } from './request-context.ts';

const LIMITED: Outcome = { kind: 'failed', error: new GatewayError('rate_limit_exceeded', 'Too many.') };

function setUp() {
  const events: UsageEvent[] = [];
  const clock = new FakeClock();
  let ids = 0;
  const newId = () => String(++ids);
  const rejected = new RejectedRequests({ clock, newId, journal: { add: (event) => events.push(event) } });
  const add = (
    outcome: Outcome,
    keyId = 'key_1',
    change: (request: RequestContext) => void = () => undefined,
  ) => {
    const request = new RequestContext({
      ...{
        id: `req_${ids}`,
        principal: { ...PRINCIPAL, keyId },
        operation: 'chat',
        route: '/r',
        startedAt: 0,
      },
    });
    change(request);
    request.complete(outcome);
    rejected.add(request, 12);
  };
  return { events, clock, rejected, add };
}

test('a rejected request becomes an event that counts for nobody', () => {
  const { events, add } = setUp();
  add(LIMITED);
  expect(events).toMatchObject([
    {
      ...{ keyId: 'key_1', provider: '', status: 429, outcome: 'rejected', requests: 0, costPico: 0 },
      request: { durationMs: 12, firstEventMs: null, error: 'rate_limit_exceeded', count: 1 },
    },
  ]);
  const [event] = events;
  if (event) expect(eventOf(lineOf(event))).toEqual(event);
});

test('requests that were answered or tried are none', () => {
  const { events, add } = setUp();
  add({ kind: 'done' });
  add(LIMITED, 'key_1', ({ routing }) => {
    routing.attempts.push({
      ...{ provider: 'p', model: 'm', startedAt: 0, firstEventAt: undefined, endedAt: 1, failure: undefined },
    });
  });
  add(LIMITED, 'key_1', ({ limits }) => {
    limits.isSettledElsewhere = true;
  });
  expect(events).toEqual([]);
});

test('a flood shares events, by second, key and error, and none is lost', () => {
  const { events, clock, rejected, add } = setUp();
  for (let index = 0; index < 1_000; index += 1) add(LIMITED, `key_${index % 3}`);
  expect(events).toHaveLength(50);
  rejected.flush();
  expect(events).toHaveLength(53);
  const count = () => events.reduce((sum, { request }) => sum + (request?.count ?? 0), 0);
  expect(count()).toBe(1_000);
  clock.advance(1_000);
  add(LIMITED);
  expect(count()).toBe(1_001);
  // Many keys: memory stays bounded.
  for (let index = 0; index < 3_000; index += 1) add(LIMITED, `other_${index}`);
  rejected.flush();
  expect(count()).toBe(4_001);
});
