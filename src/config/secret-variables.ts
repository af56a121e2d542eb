import { variable } from './environment.ts';
import type { ConfigIssue } from './errors.ts';
import type { Environment } from './interpolate.ts';

/** Shorter ones can be guessed. Generated keys have 57 characters. */
const MIN_LENGTH = 16;
const ADVICE = 'Generate one with `openssl rand -hex 32`.';
/** What fits into the header that carries a key. */
const SENDABLE = /^[\x21-\x7e]*$/;
/** Text of this form is taken for a signed token (RFC 7519). */
const TOKEN = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/** @returns the faults of the secrets that the environment sets, without their values */
export function secretIssues(env: Environment): ConfigIssue[] {
  const adminKey = variable(env, 'WEIR_ADMIN_KEY');
  const secret = variable(env, 'WEIR_SECRET');
  return [
    ...issues('WEIR_ADMIN_KEY', adminKey && (tooShort(adminKey) ?? unsendable(adminKey))),
    ...issues('WEIR_SECRET', secret && tooShort(secret)),
  ];
}

function issues(name: string, message: string | undefined): ConfigIssue[] {
  if (message === undefined || message === '') return [];
  return [{ file: null, variable: name, line: null, column: null, path: '', message }];
}

function tooShort(value: string): string | undefined {
  if (value.length >= MIN_LENGTH) return undefined;
  return `has ${value.length} characters and can be guessed; use at least ${MIN_LENGTH}. ${ADVICE}`;
}

function unsendable(value: string): string | undefined {
  if (!SENDABLE.test(value)) {
    return `has spaces, line ends or characters beyond ASCII, which no HTTP header carries. ${ADVICE}`;
  }
  return TOKEN.test(value) ? `has the form of a signed token (two dots); use another. ${ADVICE}` : undefined;
}
