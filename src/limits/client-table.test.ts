import { describe, expect, test } from 'bun:test';
import { ClientTable, MAX_CLIENTS } from './client-table.ts';

interface State {
  used: number | undefined;
}

const table = (max?: number) =>
  new ClientTable<State>({
    create: () => ({ used: 0 }),
    used: ({ used }) => used,
    ...(max === undefined ? {} : { max }),
  });

describe('ClientTable', () => {
  test('holds a bounded number of clients', () => {
    const clients = table();
    for (let index = 0; index < MAX_CLIENTS + 50_000; index += 1) clients.of(`client ${index}`).used = 0.5;
    expect(clients.size).toBe(MAX_CLIENTS);
  });

  test('forgets states that equal new ones first, then the least used', () => {
    const clients = table(3);
    clients.of('half').used = 0.5;
    clients.of('new');
    clients.of('little').used = 0.1;
    clients.of('a').used = 0.9;
    expect([clients.find('new'), clients.size]).toEqual([undefined, 3]);
    clients.of('b').used = 0.9;
    expect(clients.find('little')).toBeUndefined();
    expect(clients.find('half')).toEqual({ used: 0.5 });
  });

  test('never forgets a state that must be kept: strangers without one share a state', () => {
    const clients = table(2);
    clients.of('one').used = undefined;
    clients.of('two').used = undefined;
    const stranger = clients.of('three');
    stranger.used = 0.7;
    expect(clients.of('four')).toBe(stranger);
    expect([clients.find('one'), clients.find('three'), clients.size]).toEqual([
      { used: undefined },
      undefined,
      2,
    ]);
  });

  test('examines states in turn, so that kept ones at the front hide none behind them', () => {
    const clients = table(200);
    for (let index = 0; index < 100; index += 1) clients.of(`kept ${index}`).used = undefined;
    for (let index = 0; index < 100; index += 1) clients.of(`new ${index}`);
    const shared = new Set<State>();
    for (let index = 0; index < 104; index += 1) shared.add(clients.of(`stranger ${index}`));
    for (let index = 0; index < 100; index += 1) expect(clients.find(`kept ${index}`)).toBeDefined();
    expect(shared.size).toBeGreaterThan(100);
  });
});
