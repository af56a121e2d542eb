import { z } from 'zod';

export const TENANT_ID = /^[a-z0-9][a-z0-9_-]{0,62}$/;
export const TENANT_ID_RULE =
  'must be 1 to 63 lowercase letters, digits, "-" and "_", and begin with a letter or digit';

const NAME = /^[\p{L}\p{N}][\p{L}\p{M}\p{N} ._@&'(),/+-]{0,99}$/u;
export const NAME_RULE =
  "must have 1 to 100 letters, digits, spaces and . _ @ & ' ( ) , / + -, and begin with a letter or digit";

const EMAIL = /^[^\s\p{Cc}@<>"(),:;[\]\\]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/u;
const TAG = /^[A-Za-z0-9][A-Za-z0-9_.:=/@-]{0,99}$/;

export const tenantId = z.string().regex(TENANT_ID, TENANT_ID_RULE);
export const personName = z.string().trim().regex(NAME, NAME_RULE);
/** Converted to lower case, so that one address is one user. */
export const email = z
  .string()
  .trim()
  .max(254, 'has at most 254 characters')
  .regex(EMAIL, 'must be an e-mail address, such as jo@example.com')
  .transform((value) => value.toLowerCase());
export const timeZone = z
  .string()
  .max(64, 'has at most 64 characters')
  .refine(isTimeZone, 'must be an IANA time zone, such as Europe/Zurich or UTC');
export const tag = z
  .string()
  .regex(TAG, 'must have 1 to 100 letters, digits and _ . : = / @ -, and begin with a letter or digit');

function isTimeZone(value: string): boolean {
  // The runtime accepts offsets such as +01:00, which are not time zones: they have no daylight-saving time.
  if (!/^[A-Za-z]/.test(value)) return false;
  try {
    new Intl.DateTimeFormat('en', { timeZone: value });
    return true;
  } catch {
    // The constructor throws for an unknown zone; there is no other check.
    return false;
  }
}
