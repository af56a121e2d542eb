import type { AddFinding } from '../kinds.ts';

/** Words of at least this length may be a secret. */
const TOKEN = /(?<![\w-])[\w][\w.~-]{14,}/g;
/** Secrets by the form that their vendor gives them; tested at the start of a token. */
const VENDOR_FORMS: readonly RegExp[] = [
  /^(?:sk|rk|pk)[-_](?:live|test|proj|ant|or|svcacct|admin)[-_][\w-]{12,}/,
  /^sk-(?=[\w-]*\d)[A-Za-z0-9_-]{16,}/,
  /^(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}(?!\w)/,
  /^AIza[\w-]{35}/,
  /^ya29\.[\w-]{20,}/,
  /^GOCSPX-[\w-]{20,}/,
  /^gh[pousr]_[A-Za-z0-9]{30,}/,
  /^github_pat_\w{22,}/,
  /^gl(?:pat|dt|rt|cbt|ptt|ft|soat|agent)-[\w-]{20,}/,
  /^xox[abeprs]-[\w-]{10,}/,
  /^xapp-\d-[\w-]{10,}/,
  /^(?:gsk|xai|hf|r8|nvapi|tgp|fw|pplx|csk|wr|jina|voyage|cohere|re_|lsv2|pcsk|phc|phx|sq0atp|sq0csp|shpat|shpss|shpca|shppa|whsec|npm|pypi|dop|doo|dor|dapi|hvs|hvb|glsa|glc|lin_api|ntn|secret|PMAK|sntrys|sntryu|rubygems|figd|dp\.pt|dckr_pat|atlasv1|SK|AC|key)[-_.]?(?=[\w.-]*\d)(?=[\w.-]*[A-Za-z])[\w-]{20,}/,
  /^SG\.[\w-]{16,}\.[\w-]{16,}/,
  /^(?:AC|SK)[0-9a-f]{32}(?!\w)/,
  /^EAA[A-Za-z0-9]{30,}/,
  /^AGE-SECRET-KEY-1[0-9A-Z]{50,}/,
];
/** Prefixes of words that also begin ordinary names, and need a tail that is no name. */
const AMBIGUOUS = /^(?:secret|key|SK|AC|re|fw|npm|hf|wr|csk|jina|voyage|cohere)/;

/** `name = value` and `"name": "value"`, where the name says that the value is secret. */
const ASSIGNMENT =
  /(?<![a-z0-9])(?:[a-z0-9]{1,30}[_-]){0,4}(?:api[_-]?key|apikey|secret(?:[_-]?(?:key|access[_-]?key))?|access[_-]?(?:key|token)|auth[_-]?token|refresh[_-]?token|client[_-]?secret|private[_-]?token|token|passwd|password|pwd|passphrase|account[_-]?key|shared[_-]?access[_-]?key)["']?\s{0,3}(?::|=>?|:=)\s{0,3}(["'`]?)([^\s"'`,;<>(){}[\]$]{8,200})\1/gi;
/** `Authorization: Bearer ...`, and `Basic` with the credentials of a user. */
const AUTHORIZATION = /\b(?:Bearer|Basic|Token) {1,2}([\w.~+/=-]{16,4096})/gi;
/** The password in `scheme://user:password@host`. */
const URL_PASSWORD = /\b[a-z][a-z0-9+.-]{1,20}:\/\/[^\s:/@?#]{1,100}:([^\s:/@?#]{3,200})@/gi;
const TELEGRAM = /(?<![\w:])\d{8,10}:AA[\w-]{33}(?![\w-])/g;
const SLACK_WEBHOOK = /\bhooks\.slack\.com\/services\/(T\w{6,}\/B\w{6,}\/\w{16,})/g;
const JWT = /(?<![\w-])eyJ[\w-]{8,4096}\.eyJ[\w-]{8,16384}\.[\w-]{0,2048}/g;
const PRIVATE_KEY_BEGIN = /-----BEGIN (?:[A-Z0-9]{2,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----/g;
const PRIVATE_KEY_END = /-----END (?:[A-Z0-9]{2,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----/g;
/** A private key without its end line is replaced up to here. */
export const MAX_PRIVATE_KEY = 16_384;
/** Values that stand for a secret in documentation. */
const PLACEHOLDER =
  /^(?:x{3,}|\*{3,}|\.{3,}|<.*|\$.*|%.*|your[_-].*|my[_-].*|example.*|changeme|placeholder.*|null|none|undefined|true|false|process\.env.*|os\.environ.*|env\..*|string|required|optional|\[.*\])$/i;

/** API keys and tokens of known vendors, values that are named as secret, JSON web tokens, and private keys. */
export function findSecrets(text: string, add: AddFinding): void {
  findPrivateKeys(text, add);
  if (text.includes('eyJ')) addMatches(text, JWT, (start, end) => add('jwt', start, end));
  for (const { index, 0: token } of text.matchAll(TOKEN)) {
    const length = vendorLength(token);
    if (length > 0) add('api_key', index, index + length);
  }
  if (/key|secret|token|passw|pwd|passphrase/i.test(text)) {
    for (const match of text.matchAll(ASSIGNMENT)) {
      const value = match[2] ?? '';
      if (!isSecretValue(value, match[0])) continue;
      const start = match.index + match[0].lastIndexOf(value);
      add('api_key', start, start + value.length);
    }
  }
  if (/bearer|basic|token /i.test(text)) {
    for (const match of text.matchAll(AUTHORIZATION)) addGroup(match, 1, looksRandom(match[1] ?? ''), add);
  }
  if (text.includes('://')) {
    for (const match of text.matchAll(URL_PASSWORD))
      addGroup(match, 1, !PLACEHOLDER.test(match[1] ?? ''), add);
    for (const match of text.matchAll(SLACK_WEBHOOK)) addGroup(match, 1, true, add);
  }
  if (text.includes(':AA')) addMatches(text, TELEGRAM, (start, end) => add('api_key', start, end));
}

function addMatches(text: string, pattern: RegExp, found: (start: number, end: number) => void): void {
  for (const match of text.matchAll(pattern)) found(match.index, match.index + match[0].length);
}

function addGroup(match: RegExpExecArray, group: number, isSecret: boolean, add: AddFinding): void {
  const value = match[group] ?? '';
  if (!isSecret) return;
  const start = match.index + match[0].lastIndexOf(value);
  add('api_key', start, start + value.length);
}

/** @returns the length of the secret at the start of a token; 0 for none */
function vendorLength(token: string): number {
  for (const form of VENDOR_FORMS) {
    const match = form.exec(token);
    if (!match) continue;
    const [found] = match;
    if (AMBIGUOUS.test(found) && !looksRandom(found)) continue;
    return found.replace(/[.~-]+$/, '').length;
  }
  return 0;
}

/** Whether a value that is named as secret is one: neither a placeholder nor a name, a type or a path. */
function isSecretValue(value: string, assignment: string): boolean {
  if (PLACEHOLDER.test(value) || value.includes('(')) return false;
  if (/pass(?:wd|word|phrase)|pwd/i.test(assignment)) return /[^a-z]/i.test(value) && value.length >= 8;
  return value.length >= 12 && looksRandom(value);
}

/** Letters and digits mixed, with as many different characters as a random text has. */
function looksRandom(value: string): boolean {
  if (!/\d/.test(value) || !/[A-Za-z]/.test(value)) return false;
  const sample = value.slice(0, 64);
  const digits = sample.replace(/\D/g, '').length;
  return digits >= 2 && new Set(sample).size >= Math.min(10, sample.length * 0.4);
}

function findPrivateKeys(text: string, add: AddFinding): void {
  if (!text.includes('PRIVATE KEY')) return;
  let from = 0;
  for (const begin of text.matchAll(PRIVATE_KEY_BEGIN)) {
    if (begin.index < from) continue;
    PRIVATE_KEY_END.lastIndex = begin.index;
    const end = PRIVATE_KEY_END.exec(text);
    const last = end ? end.index + end[0].length : text.length;
    from = Math.min(last, begin.index + MAX_PRIVATE_KEY);
    add('private_key', begin.index, from);
  }
}
