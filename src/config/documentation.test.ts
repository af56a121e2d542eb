import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadText } from '../../test/support/config-source.ts';
import { CONFIG_CATALOG } from '../app/config-catalog.ts';
import { configDocumentation, exampleConfig } from './documentation.ts';

test('docs/configuration.md is what the schema says', () => {
  const page = readFileSync(join(import.meta.dir, '..', '..', 'docs', 'configuration.md'), 'utf8');
  if (page !== configDocumentation(CONFIG_CATALOG)) {
    throw new Error('docs/configuration.md is out of date: run `npm run docs` and commit what it writes');
  }
});

test('the example loads unchanged', () => {
  const loaded = loadText(exampleConfig(CONFIG_CATALOG));
  expect(loaded.warnings).toEqual([]);
  expect(loaded.config.models).toHaveLength(2);
});

test('every row of a table is as wide as its head', () => {
  const width = (line: string): number => line.replaceAll('\\|', '').split('|').length;
  let head = 0;
  for (const line of configDocumentation(CONFIG_CATALOG).split('\n')) {
    if (!line.startsWith('|')) head = 0;
    else if (head === 0) head = width(line);
    else expect([line, width(line)]).toEqual([line, head]);
  }
});
