import { SensitiveFinder } from './find.ts';
import { SENSITIVE_KINDS } from './kinds.ts';
import { Redactor } from './redactor.ts';
import { replacerOf } from './styles.ts';

/** Addresses of upstreams and databases are what an operator needs to find a failure. */
const KEPT = new Set<string>(['ip', 'name']);

/** Renders a text without what is sensitive in it. */
export type RedactText = (text: string) => string;

/**
 * Redacts messages of failures, which may repeat a part of a request or of a configuration, for logs, traces and audit trails.
 * @returns a function that replaces credentials and personal data by placeholders such as `[API_KEY]`; IP addresses stay
 */
export function failureTextRedactor(): RedactText {
  const finder = new SensitiveFinder({ kinds: SENSITIVE_KINDS.filter((kind) => !KEPT.has(kind)) });
  const redactor = new Redactor(finder, replacerOf('placeholder'));
  return (text) => redactor.redact(text).text;
}
