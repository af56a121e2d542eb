/** The words of a text that carry its subject, for echoing, matching tools, embedding and ranking. */

const WORD =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]|[[\p{L}\p{M}\p{N}]--[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]]+/gv;

const FUNCTION_WORDS: ReadonlySet<string> = new Set(
  (
    'a about after again all also am an and any are as at be because been before being but by can could did do ' +
    'does doing done for from get give go had has have he her here hers hey hi him his how i if in into is it its ' +
    'just let like make me more most my no nor not of off on once one only or other our out over own please re s ' +
    'same say she should so some such t tell than thank thanks that the their them then there these they this ' +
    'those to too under until up us use using very was we were what when where which while who whom why will ' +
    'with would write you your yours'
  ).split(' '),
);

/** How much of a long text's end is searched for topics: the question usually stands last. */
const TOPIC_WINDOW = 2000;

/** Every word, lower-cased, without a plural "s". */
export function words(text: string): string[] {
  return (text.match(WORD) ?? []).map(normalize);
}

/** Whether a normalized word only holds sentences together. */
export function isFunctionWord(word: string): boolean {
  return FUNCTION_WORDS.has(word);
}

/** The distinct normalized words that say what the text is about. */
export function contentWords(text: string): Set<string> {
  const found = new Set<string>();
  for (const word of text.match(WORD) ?? []) {
    if (!FUNCTION_WORDS.has(word.toLowerCase())) found.add(normalize(word));
  }
  return found;
}

/** Up to `limit` distinct content words as written, in their order. */
export function topics(text: string, limit = 4): string[] {
  const end = text.length > TOPIC_WINDOW ? text.slice(-TOPIC_WINDOW).replace(/^\S*/, '') : text;
  const found = new Map<string, string>();
  for (const word of end.match(WORD) ?? []) {
    if (found.size >= limit) break;
    const key = normalize(word);
    if (!FUNCTION_WORDS.has(word.toLowerCase()) && word.length <= 40 && !found.has(key)) found.set(key, word);
  }
  return [...found.values()];
}

/**
 * Words that make good values for tool arguments and JSON strings, best first: names and numbers ("Paris",
 * "42") before other words.
 */
export function valueHints(text: string): string[] {
  const all = topics(text, 12);
  const names = all.filter((word, index) => /^\p{N}/u.test(word) || (index > 0 && /^\p{Lu}/u.test(word)));
  return [...names, ...all.filter((word) => !names.includes(word))];
}

function normalize(word: string): string {
  const lower = word.toLowerCase();
  return lower.length > 3 && lower.endsWith('s') && !lower.endsWith('ss') ? lower.slice(0, -1) : lower;
}
