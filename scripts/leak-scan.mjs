// `bun scripts/leak-scan.mjs <folder>` looks for planted secrets and personal data (test/support/planted.json) in everything
// that the gateways of a test run wrote: logs, traces, metrics, databases, journals. Exits with 1 for a leak, and where there
// is nothing to scan. Also finds values in Base64, percent-encoded, without spaces, and in files compressed with gzip or zstd.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';

const PLANTED = fileURLToPath(new URL('../test/support/planted.json', import.meta.url));

/** The part of a value's Base64 that does not depend on what follows it, for each offset of the value in a text. */
function base64Parts(value) {
  return [0, 1, 2].map((offset) => {
    const encoded = Buffer.concat([Buffer.alloc(offset), Buffer.from(value)]).toString('base64');
    const first = offset === 0 ? 0 : offset + 1;
    return encoded.slice(first, encoded.length - (encoded.length % 4 === 0 ? 4 : 0)).replace(/=+$/, '');
  });
}

/** @param planted values by name. @returns what to look for, and how it is written there */
export function needlesOf(planted) {
  const needles = new Map();
  for (const [name, value] of Object.entries(planted)) {
    const forms = [
      ['plain', value],
      ['JSON', JSON.stringify(value).slice(1, -1)],
      ['percent-encoded', encodeURIComponent(value)],
      ['form-encoded', encodeURIComponent(value).replaceAll('%20', '+')],
      ['lower case', value.toLowerCase()],
      ['without spaces', value.replaceAll(/[ -]/g, '')],
      ...base64Parts(value).flatMap((part) => [
        ['Base64', part],
        ['Base64 for URLs', part.replaceAll('+', '-').replaceAll('/', '_')],
      ]),
    ];
    for (const [form, text] of forms) if (!needles.has(text)) needles.set(text, { name, form });
  }
  return [...needles].map(([text, found]) => ({ ...found, bytes: Buffer.from(text) }));
}

function contentOf(path) {
  const bytes = readFileSync(path);
  if (path.endsWith('.zst')) return zstdDecompressSync(bytes);
  return path.endsWith('.gz') ? gunzipSync(bytes) : bytes;
}

/** @returns `line:column` of a text, from 1 */
function placeOf(bytes, at) {
  let line = 1;
  let start = 0;
  for (let end = bytes.indexOf(10); end >= 0 && end < at; end = bytes.indexOf(10, end + 1)) {
    line += 1;
    start = end + 1;
  }
  return `${line}:${at - start + 1}`;
}

/** @returns the number of files, and each first place of a value in a file */
export function scanFolder(folder, planted) {
  const needles = needlesOf(planted);
  const leaks = [];
  let files = 0;
  for (const entry of existsSync(folder)
    ? readdirSync(folder, { recursive: true, withFileTypes: true })
    : []) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    files += 1;
    const bytes = contentOf(path);
    for (const { name, form, bytes: needle } of needles) {
      const at = bytes.indexOf(needle);
      if (at < 0) continue;
      const around = bytes
        .subarray(Math.max(0, at - 60), at)
        .toString('latin1')
        .replaceAll(/[^\x20-\x7e]/g, '.');
      leaks.push({ file: relative(folder, path), offset: at, place: placeOf(bytes, at), name, form, around });
    }
  }
  return { files, leaks };
}

if (import.meta.main) {
  const [folder = ''] = process.argv.slice(2);
  const { files, leaks } = scanFolder(folder, JSON.parse(readFileSync(PLANTED, 'utf8')));
  for (const { file, offset, place, name, form, around } of leaks) {
    console.error(
      `${join(folder, file)}:${place} (byte ${offset}): planted ${name}, ${form}, after "${around}"`,
    );
  }
  console.log(`${files} files scanned, ${leaks.length} leaks`);
  process.exitCode = leaks.length > 0 || files === 0 ? 1 : 0;
}
