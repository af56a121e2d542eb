/** What an injection rule found. */
export const INJECTION_KINDS = [
  'override',
  'extraction',
  'jailbreak',
  'delimiter',
  'tool_result',
  'encoded',
  'invisible',
  'confusable',
] as const;
export type InjectionKind = (typeof INJECTION_KINDS)[number];

/** One pattern over normalised text: lower case, without invisible characters. */
export interface InjectionRule {
  readonly kind: InjectionKind;
  /** Rules of one group say the same: only the surest of them counts. */
  readonly group: string;
  /** How sure a match is, 0 to 1; several groups together are surer. */
  readonly weight: number;
  /** Every repetition is bounded, so that the time is linear. */
  readonly pattern: RegExp;
  /** An order: it weighs less in questions, quotes, reported speech and after a negation. */
  readonly isOrder?: boolean;
  /** Only in documents and results of tools. */
  readonly onlyInData?: boolean;
}

/** Up to `most` words, as few as possible. */
export const words = (most: number) => `(?:[\\s,;:"'*_-]{1,3}[a-z0-9'’]{1,30}){0,${most}}?`;
/** Between two words. */
export const SPACE = '[\\s,;:"\'*_-]{1,3}';

/** @returns a pattern for whole words, wherever the text has spaces */
export function phrase(source: string): RegExp {
  const spaced = source
    .replace(/\[ ([^\]]*)\]/g, '[\\s$1]')
    .replaceAll(' ?', '\\s{0,3}')
    .replaceAll(' ', '\\s{1,3}');
  return new RegExp(`\\b(?:${spaced})(?![a-z0-9])`, 'g');
}
