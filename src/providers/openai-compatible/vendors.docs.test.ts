import { describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PROVIDERS } from '../../app/provider-registry.ts';
import type { VendorProfile } from '../types.ts';
import { ENGINES, VENDORS } from './vendors.ts';

const page = readFileSync(join(import.meta.dir, '..', '..', '..', 'docs', 'providers.md'), 'utf8');

/** The rows of one marked table, without its head. */
function rowsOf(name: string): string[] {
  const section = page.slice(page.indexOf(`<!-- ${name}:begin`), page.indexOf(`<!-- ${name}:end -->`));
  return section
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .slice(2);
}

const row = (...cells: string[]) => `| ${cells.join(' | ')} |`;
const code = (text: string | undefined) => `\`${text}\``;

function vendorRow([name, { label, baseUrl, environment }]: [string, VendorProfile]): string {
  const setting = PROVIDERS.catalog.kinds.includes(name) ? `kind: ${name}` : `vendor: ${name}`;
  return row(label, code(setting), code(environment?.key), code(environment?.baseUrl), code(baseUrl));
}

function engineRow([name, { label, baseUrl, localEngine }]: [string, VendorProfile]): string {
  const found = localEngine?.ownedBy === undefined ? 'no' : 'yes';
  return row(label, code(`engine: ${name}`), code(baseUrl), found);
}

describe('docs/providers.md', () => {
  test('lists the vendors as they are', () => {
    expect(rowsOf('vendors')).toEqual(Object.entries(VENDORS).map(vendorRow));
  });

  test('lists the engines as they are', () => {
    expect(rowsOf('engines')).toEqual(Object.entries(ENGINES).map(engineRow));
  });
});
