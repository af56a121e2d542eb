import { describe, expect, test } from 'bun:test';
import { EVENT_NAMES } from './catalogue.ts';
import { EventBus } from './event-bus.ts';

function bench(validate = false) {
  const errors: unknown[][] = [];
  const bus = new EventBus({ validate, onSubscriberError: (...seen) => errors.push(seen) });
  return { bus, errors };
}

describe('EventBus', () => {
  test('calls subscribers in their order, before emit returns', () => {
    const { bus } = bench();
    const seen: string[] = [];
    bus.subscribe('first', { 'engine.stopping': ({ engine }) => seen.push(`first ${engine}`) });
    bus.subscribe('second', { 'engine.stopping': ({ reason }) => seen.push(`second ${reason}`) });
    bus.emit('engine.stopping', { engine: 'a', reason: 'idle' });
    bus.emit('limit_store.restored', {});
    expect(seen).toEqual(['first a', 'second idle']);
  });

  test('a subscriber that throws is reported by its name, and the others still run', () => {
    const { bus, errors } = bench();
    const seen: string[] = [];
    const failure = new Error('no room');
    bus.subscribe('broken', {
      'engine.output': () => {
        throw failure;
      },
    });
    bus.subscribe('sound', { 'engine.output': ({ line }) => seen.push(line) });
    bus.emit('engine.output', { engine: 'a', line: 'hello' });
    expect(seen).toEqual(['hello']);
    expect(errors).toEqual([[failure, 'engine.output', 'broken']]);
  });

  test('a subscription ends, also within a handler and without disturbing the emit under way', () => {
    const { bus, errors } = bench();
    const seen: string[] = [];
    const end = bus.subscribe('once', {
      'limit_store.restored': () => {
        seen.push('once');
        end();
      },
    });
    bus.subscribe('always', { 'limit_store.restored': () => seen.push('always') });
    bus.emit('limit_store.restored', {});
    bus.emit('limit_store.restored', {});
    expect(seen).toEqual(['once', 'always', 'always']);
    end();
    expect(errors).toEqual([]);
  });

  test('with validation, a payload that breaks its contract is an error of the emitter', () => {
    const { bus } = bench(true);
    expect(() => bus.emit('limit_store.reservations_expired', { count: -1 })).toThrow('count');
    bus.emit('limit_store.reservations_expired', { count: 1 });
    bench().bus.emit('limit_store.reservations_expired', { count: -1 });
  });

  test('names are nouns with a past event, in snake case', () => {
    for (const name of EVENT_NAMES) expect(name).toMatch(/^[a-z]+(_[a-z]+)*\.[a-z]+(_[a-z]+)*$/);
  });
});
