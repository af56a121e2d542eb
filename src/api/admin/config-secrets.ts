import { isSecretReference } from '../../config/secret-reference.ts';

/** Stands for a secret in responses, and in requests for the one that is stored. */
export const HIDDEN = '********';

/** Members that hold secrets, wherever they are. Values of headers may be any. */
const SECRET = /(?:^|_)(?:api_keys?|secret|password|token|service_account|secret_access_key)$|^headers$/;
/** A password within the address of a server. */
const URL_PASSWORD = /(\b[a-z][a-z0-9+.-]*:\/\/[^\s:/@]*):[^\s@/]+@/gi;

type Plain = Readonly<Record<string, unknown>>;

/** @returns a value as JSON would have it: without prototypes and undefined members */
export function plain(value: object): Plain {
  return JSON.parse(JSON.stringify(value));
}

/** @returns a document whose secrets are replaced by {@link HIDDEN} */
export function hidden(document: Plain): Plain {
  return Object.fromEntries(Object.entries(document).map(([name, value]) => [name, shown(name, value)]));
}

function shown(name: string, value: unknown): unknown {
  if (SECRET.test(name)) return covered(value);
  if (typeof value === 'string') return value.replace(URL_PASSWORD, `$1:${HIDDEN}@`);
  if (Array.isArray(value)) return value.map((item) => shown('', item));
  return isPlain(value) ? hidden(value) : value;
}

/** Everything in a secret is one, but what is empty. */
function covered(value: unknown): unknown {
  // A reference says where a secret is kept, not the secret.
  if (typeof value === 'string') return value === '' || isSecretReference(value) ? value : HIDDEN;
  if (Array.isArray(value)) return value.map(covered);
  if (!isPlain(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, covered(inner)]));
}

/** @returns a document in which members that are {@link HIDDEN} have the values that are stored; the others stay */
export function kept(document: Plain, stored: Plain | null | undefined): Plain {
  return Object.fromEntries(
    Object.entries(document).map(([name, value]) => [name, keptValue(value, stored?.[name])]),
  );
}

function keptValue(value: unknown, stored: unknown): unknown {
  if (value === HIDDEN) return stored;
  if (Array.isArray(value)) {
    return value.map((item, index) => keptValue(item, Array.isArray(stored) ? stored[index] : undefined));
  }
  return isPlain(value) ? kept(value, isPlain(stored) ? stored : undefined) : value;
}

function isPlain(value: unknown): value is Plain {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
