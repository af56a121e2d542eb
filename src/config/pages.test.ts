import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CONFIG_CATALOG } from '../app/config-catalog.ts';
import { loadConfig } from './load.ts';

const NAMES = [
  'OPENAI_API_KEY',
  'GROQ_API_KEY',
  'OTHER_API_KEY',
  'ANTHROPIC_API_KEY',
  'GOOGLE_API_KEY',
  'COHERE_API_KEY',
];
const AZURE_NAMES = ['AZURE_API_KEY', 'AZURE_TENANT_ID', 'AZURE_CLIENT_ID', 'AZURE_CLIENT_SECRET'];
const env = Object.fromEntries([...NAMES, ...AZURE_NAMES].map((name) => [name, 'test']));

/** The configurations that a page shows, by page and number. */
function examplesOf(page: string): [string, string][] {
  const text = readFileSync(join(import.meta.dir, '..', '..', page), 'utf8');
  return Array.from(text.matchAll(/^```yaml\n([\s\S]*?)^```$/gm), ([, yaml = ''], index) => [
    `${page} #${index + 1}`,
    yaml,
  ]);
}

const EXAMPLES = [...examplesOf('README.md'), ...examplesOf('docs/providers.md')];

test('the pages have examples', () => {
  expect(EXAMPLES).toHaveLength(6);
});

test.each(EXAMPLES)('%s loads unchanged', (_name, yaml) => {
  const readFile = () => new TextEncoder().encode(yaml);
  const loaded = loadConfig({ env, cwd: '/cwd', catalog: CONFIG_CATALOG, readFile });
  expect(loaded.config.providers).not.toBeNull();
});
