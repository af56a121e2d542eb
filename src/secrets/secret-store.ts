import type { SecretReference } from '../config/secret-reference.ts';

/** What a store keeps under one name: one text, or named fields. */
export type SecretDocument =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'fields'; readonly fields: Readonly<Record<string, unknown>> };

/** One kind of secret store. */
export interface SecretStore {
  /**
   * Reads a secret.
   * @throws SecretError with what the store said
   */
  read(reference: SecretReference, signal: AbortSignal): Promise<SecretDocument>;
}

/** A secret that could not be read. The message contains no secret. */
export class SecretError extends Error {
  override readonly name = 'SecretError';

  constructor(
    message: string,
    /** Whether another attempt may succeed: the store is unreachable, overloaded or broken. */
    readonly retryable = false,
    options?: { readonly cause?: unknown },
  ) {
    super(message, options);
  }
}

/** Characters of one secret. The largest that stores accept is 64 KiB; Kubernetes accepts 1 MiB. */
const MAX_SECRET = 65_536;
/** Names of fields that an error lists. */
const MAX_NAMED = 10;
const MAX_NAME = 60;

/**
 * Selects what a reference means in a secret: a field, a member of a JSON object, or all of it.
 * @throws SecretError when there is no such member, or when it is empty or too large
 */
export function secretValue(document: SecretDocument, { key }: SecretReference): string {
  const value = key === undefined ? wholeOf(document) : memberOf(document, key);
  if (value === '') throw new SecretError('the secret is empty');
  if (value.length > MAX_SECRET) throw new SecretError(`the secret has more than ${MAX_SECRET} characters`);
  return value;
}

function wholeOf(document: SecretDocument): string {
  // An editor or `echo` ends a file with a line feed, which no secret has.
  if (document.kind === 'text') return document.text.replace(/\r?\n$/, '');
  const names = Object.keys(document.fields);
  const [only] = names;
  if (names.length !== 1 || only === undefined) {
    throw new SecretError(`add the key after "#": the secret has ${namesOf(names)}`);
  }
  return textOf(document.fields[only], only);
}

function memberOf(document: SecretDocument, key: string): string {
  const fields = document.kind === 'fields' ? document.fields : jsonObject(document.text);
  if (!Object.hasOwn(fields, key)) {
    throw new SecretError(
      `the secret has no key ${JSON.stringify(key)}; it has ${namesOf(Object.keys(fields))}`,
    );
  }
  return textOf(fields[key], key);
}

function jsonObject(text: string): Readonly<Record<string, unknown>> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // The parser's message would quote the secret.
    throw new SecretError('the reference has a key after "#", and the secret is not a JSON object');
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new SecretError('the reference has a key after "#", and the secret is not a JSON object');
  }
  return { ...json };
}

function textOf(value: unknown, key: string): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  // A key file of a service account may be stored as an object.
  if (typeof value === 'object' && value !== null) return JSON.stringify(value);
  throw new SecretError(`the key ${JSON.stringify(key)} of the secret has no value`);
}

function namesOf(names: readonly string[]): string {
  if (names.length === 0) return 'no keys';
  const shown = names.slice(0, MAX_NAMED).map((name) => JSON.stringify(name.slice(0, MAX_NAME)));
  const more = names.length > MAX_NAMED ? ` and ${names.length - MAX_NAMED} more` : '';
  return `the keys ${shown.join(', ')}${more}`;
}
