import { expect } from 'bun:test';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const PAGE = join(import.meta.dirname, '../../docs/compatibility.md');

/** First line of the second part of docs/compatibility.md. */
export const MEMBERS_HEADING = '## Members of requests and responses';

/**
 * Checks one part of docs/compatibility.md, or writes it when `WEIR_WRITE_DOCS` is 1.
 * @param text the part as the tests found it, with a line feed at the end
 */
export function expectPagePart(part: 'matrix' | 'members', text: string): void {
  const [matrix = '', members = ''] = readFileSync(PAGE, 'utf8').split(`\n${MEMBERS_HEADING}\n`);
  const parts = { matrix, members: `${MEMBERS_HEADING}\n${members}` };
  if (process.env.WEIR_WRITE_DOCS === '1') {
    const written = { ...parts, [part]: text };
    writeFileSync(PAGE, `${written.matrix}\n${written.members}`);
    return;
  }
  expect(parts[part]).toBe(text);
}
