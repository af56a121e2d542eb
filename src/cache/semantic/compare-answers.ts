/** Longer responses say the same with other numbers. Words. */
const SHORT_WORDS = 40;
/** Two responses to one question are hardly less similar. Cosine. */
const MIN_SIMILARITY = 0.6;

const YES = /^\W*(?:yes|yeah|yep|correct|true|absolutely|certainly|ja|oui|sí|si|sim)\b/iu;
const NO = /^\W*(?:no|nope|incorrect|false|nein|non|não|nee)\b/iu;

/**
 * Whether two responses may be to the same question: they do not say yes and no, short ones have the same numbers, and their
 * vectors are similar.
 * @param similarity of their vectors; undefined where there are none
 */
export function answersAgree(one: string, other: string, similarity: number | undefined): boolean {
  if (one.trim() === other.trim()) return true;
  if ((YES.test(one) && NO.test(other)) || (NO.test(one) && YES.test(other))) return false;
  const isShort = wordsIn(one) <= SHORT_WORDS && wordsIn(other) <= SHORT_WORDS;
  if (isShort && numbersIn(one) !== numbersIn(other)) return false;
  return similarity === undefined || similarity >= MIN_SIMILARITY;
}

function wordsIn(text: string): number {
  return text.split(/\s+/).length;
}

function numbersIn(text: string): string {
  const numbers = text.match(/\d[\d.,]*/g) ?? [];
  return [...new Set(numbers.map((one) => one.replace(/[.,]+$/, '').replaceAll(',', '')))].sort().join(' ');
}
