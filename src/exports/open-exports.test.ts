import { expect, test } from 'bun:test';
import { loadText } from '../../test/support/config-source.ts';
import { openExports } from './open-exports.ts';
import { SENT } from './sink.ts';
import type { ExportSource } from './source.ts';

const source: ExportSource = {
  read: async (_tenant, from) => ({ records: [], places: [], end: from, isLast: true, unreadable: [] }),
  waiting: async () => ({ count: 0, isMore: false, oldestAt: undefined }),
};

test('an export without a usable receiver stops no other', () => {
  const { config } = loadText(
    JSON.stringify({
      exports: ['first', 'bad', 'last'].map((id) => ({ id, type: 'http', url: `https://${id}.test/` })),
    }),
  );
  const fault = new Error('no location');
  const { exports, faults } = openExports(config.exports, {
    ...{ sources: { usage: source, request_log: source }, beginsAt: 5 },
    sinkOf: ({ id }) => {
      if (id === 'bad') throw fault;
      return { send: async () => SENT };
    },
  });
  expect(exports.map(({ id, beginsAt }) => [id, beginsAt])).toEqual([
    ['first', 5],
    ['last', 5],
  ]);
  expect(faults).toEqual(new Map([['bad', fault]]));
});
