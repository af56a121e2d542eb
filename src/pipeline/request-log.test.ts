import { expect, test } from 'bun:test';
import { PRINCIPAL } from '../../test/support/inference.ts';
import { RequestContext } from './request-context.ts';
import { RequestLog } from './request-log.ts';

const completed = (id: string, startedAt = 0) => {
  const init = { id, principal: PRINCIPAL, operation: 'chat', route: '/r', startedAt } as const;
  const request = new RequestContext(init);
  request.complete({ kind: 'done' });
  return request;
};

test('keeps the last requests, and of one id the latest', () => {
  const log = new RequestLog(3);
  const add = (id: string, startedAt = 0) => log.add(completed(id, startedAt), startedAt + 5, 1_000);
  for (const [at, id] of ['a', 'b', 'a', 'c'].entries()) add(id, at);
  expect(log.find('a')?.startedAt).toBe(2);
  expect(log.find('c')).toMatchObject({ startedAt: 3, endedAt: 8, at: 995 });
  add('d');
  add('e');
  expect(log.find('a')).toBeUndefined();
  expect(log.find('c')).toBeDefined();
});
