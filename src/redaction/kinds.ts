/** Kinds of personal data and secrets, in the order in which one wins over another at the same place. */
export const SENSITIVE_KINDS = [
  'private_key',
  'jwt',
  'api_key',
  'email',
  'iban',
  'card',
  'ssn',
  'national_id',
  'ip',
  'phone',
  'name',
] as const;

export type SensitiveKind = (typeof SENSITIVE_KINDS)[number];

/**
 * What replaces a finding: `[EMAIL]`, `[REDACTED_EMAIL]`, a mask that keeps a few characters, or a keyed hash, which is equal
 * for equal values.
 */
export const REDACTION_STYLES = ['placeholder', 'label', 'mask', 'hash'] as const;
export type RedactionStyle = (typeof REDACTION_STYLES)[number];

/** The word for a kind in a placeholder such as `[EMAIL]`. */
export const PLACEHOLDER_WORDS: Readonly<Record<SensitiveKind, string>> = {
  private_key: 'PRIVATE_KEY',
  jwt: 'JWT',
  api_key: 'API_KEY',
  email: 'EMAIL',
  iban: 'IBAN',
  card: 'CC',
  ssn: 'SSN',
  national_id: 'NATIONAL_ID',
  ip: 'IP',
  phone: 'PHONE',
  name: 'NAME',
};

/** A place in a text, in UTF-16 units; `end` is exclusive. */
export interface Finding {
  readonly kind: SensitiveKind;
  readonly start: number;
  readonly end: number;
}

/** Reports a place to the finder. */
export type AddFinding = (kind: SensitiveKind, start: number, end: number) => void;
