import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { AZURE_OPENAI } from './azure-openai/index.ts';
import { FAMILIES } from './families.ts';
import { GENERIC, VENDORS } from './openai-compatible/vendors.ts';
import type { VendorProfile } from './types.ts';
import type { NumberRange, VendorLimits } from './vendor-limits.ts';

const page = readFileSync(join(import.meta.dir, '..', '..', 'docs', 'providers.md'), 'utf8');

const range = (numbers: NumberRange | undefined) =>
  numbers === undefined ? '' : `${numbers.min} to ${numbers.max}`;
const count = (number: number | undefined) => number?.toString() ?? '';
const characters = ({ toolName }: VendorLimits) =>
  toolName === undefined ? '' : `${toolName.maxLength} of \`${permitted(toolName.forbidden)}\``;
/** The characters that a pattern of forbidden ones leaves. */
const permitted = ({ source }: RegExp) => source.replace('[^', '[').replaceAll('a-zA-Z', 'A-Za-z');

function rowOf({ label, limits = {} }: VendorProfile): string {
  const cells = [
    label,
    characters(limits),
    count(limits.tools),
    count(limits.stopSequences),
    range(limits.temperature),
    count(limits.user),
    count(limits.toolCallId),
  ];
  return `| ${cells.join(' | ')} |`.replaceAll('  ', ' ');
}

test('docs/providers.md lists the limits as they are', () => {
  const families = Object.values(FAMILIES).map(({ profile }) => profile);
  const profiles: readonly VendorProfile[] = [...Object.values(VENDORS), AZURE_OPENAI, ...families, GENERIC];
  const limited = [...new Set(profiles)].filter(({ limits }) => limits !== undefined);
  const section = page.slice(page.indexOf('<!-- limits:begin'), page.indexOf('<!-- limits:end -->'));
  const rows = section.split('\n').filter((line) => line.startsWith('|'));
  expect(rows.slice(2)).toEqual(limited.map(rowOf));
});
