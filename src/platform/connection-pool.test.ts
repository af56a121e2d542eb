import { describe, expect, test } from 'bun:test';
import { ConnectionPool } from './connection-pool.ts';

class FakeConnection {
  closed = false;
  closeIdle(): void {
    this.closed = true;
  }
}

function setUp(maxIdle = 2) {
  const time = { now: 0 };
  const pool = new ConnectionPool<FakeConnection>(maxIdle, () => time.now);
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
});
