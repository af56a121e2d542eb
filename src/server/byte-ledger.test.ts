import { expect, test } from 'bun:test';
import { ByteLedger } from './byte-ledger.ts';
import { ConnectionMemory, type MemoryUser } from './connection-memory.ts';
import { Client } from './connection-table.ts';
import { DEFAULT_SERVER_LIMITS } from './server-limits.ts';

const MIB = 1024 * 1024;

function createLedger(requestMemory: number) {
  let excess = 0;
  const ledger = new ByteLedger(
    () => ({ ...DEFAULT_SERVER_LIMITS, requestMemory }),
    () => {
      excess += 1;
    },
  );
  const connect = (user: Partial<MemoryUser> = {}, client = new Client('192.0.2.1')) =>
    new ConnectionMemory(
      client,
      Object.assign(user, { account: user.account, stalledSeconds: user.stalledSeconds ?? 0 }),
      ledger,
      () => undefined,
    );
  return { ledger, connect, excess: () => excess };
}

test('keeps nothing of 100,000 accounts whose responses are sent', () => {
  const { ledger, connect } = createLedger(256 * MIB);
  let most = 0;
  for (let count = 0; count < 100_000; count += 1) {
    const memory = connect({ account: `tenant-${count}` });
    memory.backlogChanged(1_000);
    most = Math.max(most, ledger.accounts);
    memory.backlogChanged(-1_000);
  }
  expect([most, ledger.accounts, ledger.unsentBytes]).toEqual([1, 0, 0]);
});

test('stalled streams of one tenant have a share of the memory, and the longest stalled are the victims', () => {
  const { ledger, connect, excess } = createLedger(64 * MIB);
  const other = connect({ account: 'other', stalledSeconds: 1_000 });
  other.streamStalled(true);
  const streams = Array.from({ length: 40 }, (_, at) => connect({ account: 'acme', stalledSeconds: at }));
  for (const stream of streams) stream.streamStalled(true);
  expect(excess()).toBeGreaterThan(0);
  const victims = ledger.victims([other, ...streams]);
  expect(victims).toEqual(streams.slice(-victims.length).reverse());
  expect(victims.length).toBe(12);
  for (const victim of victims) victim.streamStalled(false);
  expect([ledger.unsentBytes, ledger.victims([other, ...streams])]).toEqual([29 * MIB, []]);
});

test('the bytes of a response stay with the account that they began with', () => {
  const { ledger, connect } = createLedger(64 * MIB);
  const user = { account: 'acme', stalledSeconds: 0 };
  const memory = connect(user);
  memory.backlogChanged(1_000);
  user.account = 'other';
  memory.backlogChanged(500);
  expect(ledger.accounts).toBe(1);
  memory.backlogChanged(-1_500);
  expect([ledger.accounts, ledger.unsentBytes]).toEqual([0, 0]);
});

test('bodies and heads are released as they were counted', () => {
  const { ledger, connect } = createLedger(MIB);
  const client = new Client('192.0.2.1');
  const memory = connect({}, client);
  expect([memory.keepInput(1_000), memory.keepInput(3_000), memory.keepInput(500)]).toEqual([
    true,
    true,
    true,
  ]);
  expect([ledger.keptBytes, client.unreadBytes]).toEqual([500, 500]);
  expect(memory.keepBody(2_000, 2_000, true)).toBe(true);
  memory.bodyAsked(2_000);
  expect([ledger.keptBytes, client.unreadBytes]).toEqual([2_500, 500]);
  memory.releaseBody(2_000, false);
  memory.keepInput(0);
  expect([ledger.keptBytes, client.unreadBytes]).toEqual([0, 0]);
});
