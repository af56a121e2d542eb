import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { eventsPage } from './events-page.ts';

test('docs/events.md lists every event (`npm run docs` writes it)', () => {
  expect(readFileSync(new URL('../../docs/events.md', import.meta.url), 'utf8')).toBe(eventsPage());
});
