/** Patterns of attacks on other software than models. Off by default: they reject honest questions about programming. */
export const PATTERN_SETS = ['sql', 'xss'] as const;
export type PatternSet = (typeof PATTERN_SETS)[number];

/** Every repetition is bounded. */
const PATTERNS: Readonly<Record<PatternSet, readonly RegExp[]>> = {
  sql: [
    /['"]\s{0,5}(?:or|and)\s{1,5}['"\d(]/i,
    /\b(?:or|and)\s{1,5}(?:\d{1,10}\s{0,3}=\s{0,3}\d{1,10}|sleep\s{0,3}\(|benchmark\s{0,3}\()/i,
    /\bunion\s{1,5}(?:all\s{1,5})?select\b/i,
    /;\s{0,5}(?:drop|delete|insert|update|alter|create|truncate|exec(?:ute)?)\s{1,5}(?:table|from|into|database|xp_|\w)/i,
    /['"]\s{0,3};?\s{0,3}(?:--|#|\/\*)/,
    /\bxp_cmdshell\b|\bwaitfor\s{1,5}delay\b|\binformation_schema\b|\binto\s{1,5}outfile\b/i,
  ],
  xss: [
    /<\s{0,3}script\b/i,
    /\bjavascript\s{0,3}:/i,
    /<[a-z][^>]{0,200}\bon(?:error|load|click|mouseover|focus|toggle|animationstart|begin)\s{0,3}=/i,
    /<\s{0,3}(?:iframe|object|embed|base)\b/i,
    /\bdocument\s{0,3}\.\s{0,3}(?:cookie|location|write)\b/i,
    /data:text\/html/i,
  ],
};

/** @returns whether a pattern of the set matches the text */
export function matchesSet(set: PatternSet, text: string): boolean {
  return PATTERNS[set].some((pattern) => pattern.test(text));
}
