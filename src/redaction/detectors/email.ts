import type { AddFinding } from '../kinds.ts';

const LOCAL_CHARACTER = /[\p{L}\p{N}\p{M}.!#$%&'*+/=?^_`{|}~-]/u;
const MAX_LOCAL = 64;
/** Labels of letters, digits and hyphens; the last one has no digits only. */
const DOMAIN =
  /(?:[\p{L}\p{N}](?:[\p{L}\p{N}\p{M}-]{0,61}[\p{L}\p{N}\p{M}])?\.){1,8}(?:xn--[a-z0-9-]{2,59}|[\p{L}\p{M}]{2,24})(?![\p{L}\p{N}_-])/uy;
/** Of a file name, not of a mail server: `icon@2x.png`. */
const FILE_EXTENSIONS = new Set(
  'png jpg jpeg gif svg webp ico bmp pdf js mjs cjs ts tsx jsx css scss json html htm xml yaml yml md txt csv log lock map zip gz tar exe dll class java php rb docx xlsx pptx doc xls ppt odt ods odp rtf epub jsonl parquet mp3 mp4 wav mov avi mkv heic avif tiff'.split(
    ' ',
  ),
);
/** Whether a word is the extension of a file, and no top-level domain of a mail server. */
export function isFileExtension(word: string): boolean {
  return FILE_EXTENSIONS.has(word.toLowerCase());
}

/** Of addresses that are written with spaces or words, where a domain alone says little. */
const COMMON_TLD =
  'com|org|net|edu|gov|io|co|info|biz|de|fr|es|it|nl|uk|eu|ch|at|be|pl|se|br|in|jp|au|ca|us|ru|dev|app|ai';
const SPACED = new RegExp(
  `(?<![\\w.+-])[\\w+-](?:[\\w.+-]{0,62}[\\w+-])?(?: @ |@ )[a-z0-9](?:[a-z0-9-]{0,40}[a-z0-9])?(?:\\.[a-z0-9-]{1,40}){0,3}\\.(?:${COMMON_TLD})(?![\\w-]|\\.\\w)`,
  'gi',
);
const AT = String.raw`(?:\s?[[({<]\s?at\s?[\])}>]\s?|\sat\s)`;
const DOT = String.raw`(?:\s?[[({<]\s?dot\s?[\])}>]\s?|\sdot\s|\.)`;
/** At least one of the two is a word: `jo (at) example.com`, `jo at example dot com`. */
const SPELLED = new RegExp(
  `(?<![\\w.+-])[\\w+-](?:[\\w.+-]{0,62}[\\w+-])?(?:${DOT}[\\w+-]{1,30})?${AT}[a-z0-9](?:[a-z0-9-]{0,40}[a-z0-9])?(?:${DOT}[a-z0-9-]{1,40}){0,2}?${DOT}(?:${COMMON_TLD})(?![\\w-])`,
  'gi',
);

/** E-mail addresses; also with spaces around the `@`, and with "at" and "dot" as words. */
export function findEmails(text: string, add: AddFinding): void {
  let [at, sawAt] = [text.indexOf('@'), false];
  for (; at >= 0; at = text.indexOf('@', at + 1)) {
    sawAt = true;
    const end = domainEnd(text, at + 1);
    if (end === undefined) continue;
    const start = localStart(text, at);
    if (start < at && !isRepository(text, start, at, end) && !isUserOfUrl(text, start))
      add('email', start, end);
  }
  if (sawAt && text.includes('@ ')) {
    for (const match of text.matchAll(SPACED)) add('email', match.index, match.index + match[0].length);
  }
  // The brackets around "at" are evidence enough; the bare word needs "dot", too: "look at example.com" is no address.
  if (!/[[({<]\s?at\s?[\])}>]|\sdot\s/i.test(text)) return;
  for (const { index, 0: found } of text.matchAll(SPELLED)) {
    if (/[[({<]\s?at\s?[\])}>]/i.test(found) || /\sdot\s/i.test(found))
      add('email', index, index + found.length);
  }
}

/** @returns the first index of the local part before the `@` at `at`; `at` for none */
function localStart(text: string, at: number): number {
  if (text[at - 1] === '"') {
    const quote = text.lastIndexOf('"', at - 2);
    if (quote >= 0 && at - quote <= MAX_LOCAL && !/\s{2}|[\r\n]/.test(text.slice(quote, at))) return quote;
  }
  let start = at;
  while (start > 0 && at - start < MAX_LOCAL && LOCAL_CHARACTER.test(text[start - 1] ?? '')) start -= 1;
  // Punctuation before an address is not of it: `'jo@example.com'`, `mail=jo@example.com`.
  const local = text.slice(start, at);
  const cut = Math.max(
    local.lastIndexOf('='),
    local.lastIndexOf('/'),
    local.lastIndexOf('|'),
    local.lastIndexOf('`'),
  );
  start += cut + 1;
  while (start < at && /[.'{}?!#$%&*]/.test(text[start] ?? '')) start += 1;
  return text[at - 1] === '.' ? at : start;
}

/** @returns the end of the domain that begins at an index; undefined for none */
function domainEnd(text: string, from: number): number | undefined {
  DOMAIN.lastIndex = from;
  const match = DOMAIN.exec(text);
  if (!match) return undefined;
  const labels = match[0].toLowerCase().split('.');
  const last = labels.at(-1) ?? '';
  return FILE_EXTENSIONS.has(last) ? undefined : from + match[0].length;
}

/** `git@github.com:weir/weir.git` names a repository, and the user of every one is `git`. */
function isRepository(text: string, start: number, at: number, end: number): boolean {
  return text.slice(start, at) === 'git' && (text[end] === ':' || text[end] === '/');
}

/** The user and password of `scheme://user:password@host`. */
function isUserOfUrl(text: string, start: number): boolean {
  return /:\/\/[^\s/@]*$/.test(text.slice(Math.max(0, start - MAX_LOCAL), start));
}
