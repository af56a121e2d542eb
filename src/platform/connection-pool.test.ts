import { describe, expect, test } from 'bun:test';
import { ConnectionPool } from './connection-pool.ts';

class FakeConnection {
  closed = false;
  closeIdle(): void {
    this.closed = true;
  }
}

function setUp(maxIdle = 2, maxConnections = 100) {
  const time = { now: 0 };
  const pool = new ConnectionPool<FakeConnection>({ maxIdle, maxConnections, now: () => time.now });
  const [a, b, c] = [new FakeConnection(), new FakeConnection(), new FakeConnection()];
  return { pool, time, a, b, c };
}

describe('ConnectionPool', () => {
  test('takes the last one put, of the same origin', () => {
    const { pool, a, b, c } = setUp();
    pool.put('x:80', a, 100);
    pool.put('x:80', b, 100);
    pool.put('y:80', c, 100);
    expect(pool.size).toBe(3);
    expect(pool.take('x:80')).toBe(b);
    expect(pool.take('x:80')).toBe(a);
    expect(pool.take('x:80')).toBeUndefined();
    expect(pool.take('z:80')).toBeUndefined();
    expect(pool.size).toBe(1);
  });

  test('an expired connection is closed, not taken', () => {
    const { pool, time, a, b } = setUp();
    pool.put('x:80', a, 500);
    pool.put('x:80', b, 100);
    time.now = 100;
    expect(pool.take('x:80')).toBe(a);
    expect([a.closed, b.closed, pool.size]).toEqual([false, true, 0]);
  });

  test('closes what is over its bound, or has no time left', () => {
    const { pool, a, b, c } = setUp(1);
    pool.put('x:80', a, 100);
    pool.put('x:80', b, 100);
    pool.put('y:80', c, 0);
    expect([a.closed, b.closed, c.closed, pool.size]).toEqual([false, true, true, 1]);
  });

  test('sweep closes what has expired, whatever the order', () => {
    const { pool, time, a, b, c } = setUp();
    pool.put('x:80', a, 500);
    pool.put('x:80', b, 100);
    pool.put('y:80', c, 100);
    time.now = 200;
    pool.sweep();
    expect([a.closed, b.closed, c.closed, pool.size]).toEqual([false, true, true, 1]);
    expect(pool.take('x:80')).toBe(a);
  });

  test('forgets a connection that the server closed', () => {
    const { pool, a, b } = setUp();
    pool.put('x:80', a, 100);
    pool.put('x:80', b, 100);
    pool.remove('x:80', b);
    pool.remove('x:80', b);
    expect(pool.size).toBe(1);
    expect(pool.take('x:80')).toBe(a);
  });

  test('closeAll', () => {
    const { pool, a, b } = setUp();
    pool.put('x:80', a, 100);
    pool.put('y:80', b, 100);
    pool.closeAll();
    expect([a.closed, b.closed, pool.size]).toEqual([true, true, 0]);
  });

  test('counts what is open for each origin, up to its bound', () => {
    const { pool } = setUp(2, 2);
    expect([pool.reserve('x:80'), pool.reserve('x:80'), pool.reserve('x:80'), pool.reserve('y:80')]).toEqual([
      ...[true, true, false, true],
    ]);
    pool.release('x:80');
    expect([pool.reserve('x:80'), pool.reserve('x:80')]).toEqual([true, false]);
    pool.release('z:80');
  });

  test('a kept connection still counts as open', () => {
    const { pool, a } = setUp(2, 1);
    pool.reserve('x:80');
    pool.put('x:80', a, 100);
    expect(pool.reserve('x:80')).toBe(false);
    expect(pool.take('x:80')).toBe(a);
    pool.release('x:80');
    expect(pool.reserve('x:80')).toBe(true);
  });
});
