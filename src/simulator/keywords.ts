/** Words with the subject of a text: for generated texts, tool matching, embeddings and ranking. */

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

/** Characters at the end of a long text that are searched for topics, because the question is usually last. */
const TOPIC_WINDOW = 2000;

/** @returns every word in lower case without a plural "s" */
export function words(text: string): string[] {
  return (text.match(WORD) ?? []).map(normalize);
}

/** @returns whether a normalised word is a function word such as "the" */
export function isFunctionWord(word: string): boolean {
  return FUNCTION_WORDS.has(word);
}

/** UTF-16 units of a text that are searched for words. */
const WORD_WINDOW = 100_000;

/** @returns the distinct normalised content words of a text's end */
export function contentWords(text: string): Set<string> {
  const found = new Set<string>();
  for (const word of text.slice(-WORD_WINDOW).match(WORD) ?? []) {
    if (!FUNCTION_WORDS.has(word.toLowerCase())) found.add(normalize(word));
  }
  return found;
}

/** @returns up to `limit` distinct content words in their original spelling and order */
export function topics(text: string, limit = 4): string[] {
  const end = text.length > TOPIC_WINDOW ? text.slice(-TOPIC_WINDOW).replace(/^\S*/, '') : text;
  const found = new Map<string, string>();
  for (const word of end.match(WORD) ?? []) {
    if (found.size >= limit) break;
    const key = normalize(word);
    if (!FUNCTION_WORDS.has(word.toLowerCase()) && word.length <= 40 && !found.has(key)) found.set(key, word);
  }
  return [...found.values()].map(copyOf);
}

/** Copies a text, because the engine's substrings keep the text that they are a part of. */
function copyOf(text: string): string {
  return Buffer.from(text, 'utf16le').toString('utf16le');
}

/**
 * Finds values for tool arguments and JSON strings.
 * @returns words, names and numbers first ("Paris", "42")
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
