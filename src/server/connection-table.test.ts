import { describe, expect, test } from 'bun:test';
import { type Client, ConnectionTable, type TableEntry } from './connection-table.ts';
import { DEFAULT_SERVER_LIMITS, type ServerLimits } from './server-limits.ts';

class FakeConnection implements TableEntry {
  slot = -1;
  idleSeconds: number | undefined;
  evicted = false;

  constructor(
    readonly client: Client,
    private readonly table: ConnectionTable<FakeConnection>,
  ) {}

  evict(): void {
    this.evicted = true;
    this.table.remove(this);
  }
}

function createTable(limits: Partial<ServerLimits> = {}, proxies: readonly string[] = []) {
  let searches = 0;
  const table = new ConnectionTable<FakeConnection>({
    limits: () => ({ ...DEFAULT_SERVER_LIMITS, ...limits }),
    isProxy: (address) => proxies.includes(address),
  });
  const connect = (address: string, idleSeconds?: number) => {
    const client = table.enter(address);
    if (typeof client === 'string') return client;
    const connection = new FakeConnection(client, table);
    Object.defineProperty(connection, 'idleSeconds', {
      get: () => {
        searches += 1;
        return idleSeconds;
      },
    });
    table.add(connection);
    return connection;
  };
  return { table, connect, searches: () => searches };
}

const connected = (result: FakeConnection | string): FakeConnection => {
  if (typeof result === 'string') throw new Error(`rejected: ${result}`);
  return result;
};

describe('the cap of a client address', () => {
  test('counts every spelling and every address of a /64 as one client', () => {
    const { connect } = createTable({ maxConnectionsPerIp: 2 });
    for (const address of ['192.0.2.1', '::ffff:192.0.2.1']) connected(connect(address));
    expect(connect('::FFFF:c000:201')).toBe('max_connections_per_ip');
    for (const address of ['2001:db8::1', '2001:DB8:0::ffff']) connected(connect(address));
    expect(connect('2001:db8::abcd')).toBe('max_connections_per_ip');
    connected(connect('2001:db8:0:1::1'));
  });

  test('does not hold for proxies, nor where it is null', () => {
    const proxied = createTable({ maxConnectionsPerIp: 1 }, ['10.0.0.1']);
    for (let count = 0; count < 5; count += 1) connected(proxied.connect('10.0.0.1'));
    const unlimited = createTable({ maxConnectionsPerIp: null });
    for (let count = 0; count < 5; count += 1) connected(unlimited.connect('192.0.2.1'));
  });

  test("closes the client's own idle connections, those idle longest first", () => {
    const { connect } = createTable({ maxConnectionsPerIp: 3 });
    const other = connected(connect('192.0.2.2', 100));
    const [busy, old, young] = [undefined, 20, 10].map((idle) => connected(connect('192.0.2.1', idle)));
    connected(connect('192.0.2.1'));
    expect([busy?.evicted, old?.evicted, young?.evicted, other.evicted]).toEqual([false, true, false, false]);
    connected(connect('192.0.2.1'));
    expect(young?.evicted).toBe(true);
    expect(connect('192.0.2.1')).toBe('max_connections_per_ip');
  });
});

describe('the cap of all connections', () => {
  test('closes the ones idle longest, of whichever client', () => {
    const { connect, table } = createTable({ maxConnections: 3 });
    const [old, young] = [20, 10].map((idle, at) => connected(connect(`192.0.2.${at}`, idle)));
    connected(connect('192.0.2.9'));
    connected(connect('192.0.2.8'));
    expect([old?.evicted, young?.evicted, table.size]).toEqual([true, false, 3]);
    connected(connect('192.0.2.7'));
    expect(connect('192.0.2.6')).toBe('max_connections');
  });

  test('can be the client of the evicted connection', () => {
    const { connect, table } = createTable({ maxConnections: 1 });
    connected(connect('192.0.2.1', 5));
    const next = connected(connect('192.0.2.1'));
    expect([next.client.connections, table.size, table.clients]).toEqual([1, 1, 1]);
  });
});

test('searches for idle connections once between two ticks, however many are rejected', () => {
  const { connect, table, searches } = createTable({ maxConnections: 1_000, maxConnectionsPerIp: 500 });
  for (let count = 0; count < 1_000; count += 1) connected(connect(`192.0.2.${count % 2}`));
  for (let count = 0; count < 1_000; count += 1) expect(connect(`192.0.2.${count % 4}`)).toBeString();
  const first = searches();
  expect(first).toBeLessThanOrEqual(1_000);
  table.tick();
  connect('192.0.2.1');
  expect(searches()).toBe(2 * first);
});

test('keeps nothing of addresses whose connections are closed', () => {
  const { connect, table } = createTable({ maxConnections: 1_000 });
  let most = 0;
  for (let count = 0; count < 100_000; count += 1) {
    const host = `${(count >> 16) & 255}.${(count >> 8) & 255}.${count & 255}`;
    const connection = connect(count % 2 === 0 ? `10.${host}` : `2001:db8:${count.toString(16)}::1`, 1);
    if (count % 3 === 0 && typeof connection !== 'string') table.remove(connection);
    if (count % 700 === 0) table.tick();
    most = Math.max(most, table.clients, table.size);
  }
  expect(most).toBe(1_000);
  for (const connection of table.snapshot()) table.remove(connection);
  expect([table.clients, table.size]).toEqual([0, 0]);
});
