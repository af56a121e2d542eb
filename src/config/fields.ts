import { isIP } from 'node:net';
import { z } from 'zod';
import { DURATION_HINT, DURATION_PATTERN, parseDuration, parseSize, SIZE_HINT } from './units.ts';

/** The longest timer of the runtime, 2^31 - 1 ms, rounded down to whole days. */
const MAX_DURATION = 24 * 86_400_000;
const MAX_SIZE = 2 * 1024 ** 3;

const NUMBER_TEXT = /^[-+]?(?:0|[1-9]\d*)(?:\.\d+)?$/;
const CONTROL = /\p{Cc}/u;
const NAME = /^[^\p{Cc}\s]+$/u;
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const HEADER_VALUE = /^[\t\x20-\x7e]*$/;
const SECRET = /^[\x21-\x7e]+$/;
const HOST_NAME = /^(?=.{1,253}$)[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$/;

/** Set by the gateway or the connection; a configured value would break requests. */
const RESERVED_HEADERS = new Set([
  'authorization',
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Converts numeric text, as from variables, to a number; other values are unchanged. */
export function fromNumericText(value: unknown): unknown {
  if (typeof value === 'string' && NUMBER_TEXT.test(value)) return Number(value) + 0;
  return value === 0 ? 0 : value;
}

/** Converts the texts `true` and `false`, as from variables, to booleans; other values are unchanged. */
export function fromBooleanText(value: unknown): unknown {
  if (value === 'true') return true;
  return value === 'false' ? false : value;
}

const emptyAsNull = (value: unknown): unknown => (value === '' ? null : value);

/** A map of known keys. Absent and null (`limits:` without content) mean all defaults. */
export function section<Shape extends z.ZodRawShape>(shape: Shape) {
  return z.preprocess((value) => value ?? {}, z.strictObject(shape)).prefault({});
}

/** A list that may be absent or null, which mean empty. */
export function list<Item extends z.ZodType>(item: Item) {
  return z.preprocess((value) => value ?? [], z.array(item)).prefault([]);
}

/** The same for items with many keys: their schema is built for the first item, since most gateways have none. */
export function listOfMany<Item extends z.ZodType>(item: () => Item) {
  return list(z.lazy(item));
}

/** Absent, null and empty text mean null. */
export function nullable<Inner extends z.ZodType>(inner: Inner) {
  return z.preprocess(emptyAsNull, inner.nullable()).prefault(null);
}

export const integer = (minimum: number, maximum = Number.MAX_SAFE_INTEGER) =>
  z.preprocess(fromNumericText, z.int().min(minimum).max(maximum));

export const positiveNumber = () => z.preprocess(fromNumericText, z.number().positive());

export const boolean = () => z.preprocess(fromBooleanText, z.boolean());

/** Text of 1 to `longest` characters on one line. */
export const text = (longest: number) =>
  z
    .string()
    .min(1)
    .max(longest)
    .refine((value) => !CONTROL.test(value), 'must not contain control characters');

/** A name that clients can send for a model. */
export const modelName = (longest = 200) =>
  z.string().min(1).max(longest).regex(NAME, 'must not contain spaces or control characters');

/** `provider-id/upstream-model` has to fit. */
export const MAX_REFERENCE_LENGTH = 400;

const PROVIDER_ID = /^[a-z0-9][a-z0-9._-]{0,62}$/;
const PROVIDER_ID_MESSAGE =
  'must be 1 to 63 lower-case letters, digits, ".", "_" and "-", beginning with a letter or digit';

export const providerId = () => z.string().regex(PROVIDER_ID, PROVIDER_ID_MESSAGE);

/** Requests at the same time. */
export const concurrency = () => nullable(z.union([integer(1, 100_000), z.enum(['adaptive'])]));

export const decimal = () =>
  z.preprocess(
    (value) => (typeof value === 'number' ? String(value) : value),
    z.string().regex(/^\d{1,12}(?:\.\d{1,12})?$/, 'expected a decimal number of at least 0, such as 0.15'),
  );

/** A span of time as text; parsed to whole milliseconds. */
export const duration = (minimum: 0 | 1) =>
  z
    .string({ error: otherThanText(DURATION_HINT) })
    .regex(DURATION_PATTERN, `expected ${DURATION_HINT}`)
    .transform((value, context) => {
      const milliseconds = parseDuration(value);
      if (milliseconds !== undefined && milliseconds >= minimum && milliseconds <= MAX_DURATION) {
        return milliseconds;
      }
      const message = minimum === 0 ? 'must be at most 24d' : 'must be more than 0 and at most 24d';
      context.addIssue({ code: 'custom', message });
      return z.NEVER;
    })
    .meta({ 'x-type': 'duration' });

/** The longest time that data can be kept, other than for good. */
const MAX_DAYS = 99_999;

/** A number of whole days as text; parsed to whole milliseconds. */
export const days = () =>
  z
    .string({ error: otherThanText('a number of days such as 90d') })
    .regex(/^\d+d$/, 'expected a number of days such as 90d')
    .transform((value, context) => {
      const milliseconds = parseDuration(value);
      if (milliseconds !== undefined && milliseconds > 0 && milliseconds <= MAX_DAYS * 86_400_000) {
        return milliseconds;
      }
      context.addIssue({ code: 'custom', message: `must be from 1d to ${MAX_DAYS}d` });
      return z.NEVER;
    })
    .meta({ 'x-type': 'duration' });

/** A number of bytes, plain or with a unit; parsed to whole bytes, at least 1. */
export const size = () =>
  z
    .union([z.string(), z.int().min(1).max(MAX_SIZE)], { error: otherThanText(SIZE_HINT) })
    .transform((value, context) => {
      const plain = fromNumericText(value);
      const bytes = typeof plain === 'string' ? parseSize(plain) : plain;
      if (typeof bytes !== 'number' || !Number.isSafeInteger(bytes)) {
        context.addIssue({ code: 'custom', message: `expected ${SIZE_HINT}` });
        return z.NEVER;
      }
      if (bytes >= 1 && bytes <= MAX_SIZE) return bytes;
      context.addIssue({ code: 'custom', message: 'must be between 1B and 2GiB' });
      return z.NEVER;
    })
    .meta({ 'x-type': 'size' });

export const host = () =>
  z
    .string()
    .min(1)
    .refine(
      (value) => isIP(value) !== 0 || HOST_NAME.test(value),
      'expected an IP address or a host name, without a scheme or port',
    );

/** `https://host[:port]`, or `*`. */
export const origin = () =>
  z
    .string()
    .refine(
      (value) => value === '*' || (isHttpUrl(value) && new URL(value).origin === value),
      'expected "*" or an origin as browsers send it: a scheme, a host in lower case and a port unless it is the default, with no path, such as https://app.example.com',
    );

/** Trailing slashes are removed, so that paths can be appended. Messages never quote it: it may contain a password. */
export const baseUrl = () =>
  z
    .string()
    .superRefine((value, context) => {
      const fault = baseUrlFault(value);
      if (fault !== null) context.addIssue({ code: 'custom', message: fault });
    })
    .transform((value) => value.replace(/\/+$/, ''))
    .meta({ 'x-type': 'URL' });

/** A secret: the text itself, or a reference to where it is kept. */
export const secret = () =>
  z
    .string()
    .regex(SECRET, 'must be one line of visible ASCII characters without spaces')
    .meta({ 'x-secret': true });

/** A secret of several lines, such as the file of a key. */
export const secretText = () => z.string().min(1).max(100_000).meta({ 'x-secret': true });

/** Header names come out in lower case; `headerNameFault` says whether they are allowed. */
export const headers = () =>
  z
    .preprocess(
      (value) => value ?? {},
      z.record(
        z.string(),
        z
          .string()
          .regex(HEADER_VALUE, 'must be one line of printable ASCII characters')
          .meta({ 'x-secret': true }),
      ),
    )
    .transform((value) =>
      Object.fromEntries(Object.entries(value).map(([name, content]) => [name.toLowerCase(), content])),
    )
    .prefault({});

/** Why a provider's requests cannot carry this header; null when they can. */
export function headerNameFault(name: string): string | null {
  if (!HEADER_NAME.test(name)) return 'not a valid header name';
  return RESERVED_HEADERS.has(name.toLowerCase()) ? 'this header is set by the gateway itself' : null;
}

function otherThanText(hint: string) {
  return (issue: { readonly input?: unknown }) =>
    issue.input === undefined ? undefined : `expected ${hint}`;
}

function isHttpUrl(value: string): boolean {
  return /^https?:\/\/[^/?#]/i.test(value) && !/\s/.test(value) && URL.canParse(value);
}

function baseUrlFault(value: string): string | null {
  if (!isHttpUrl(value)) return 'expected an http:// or https:// URL';
  const url = new URL(value);
  if (url.username !== '' || url.password !== '')
    return 'must not contain a user name or password; use api_key';
  // Looked for in the text: a URL object does not tell an empty query from none.
  return /[?#]/.test(value) ? 'must not contain a query or fragment' : null;
}
