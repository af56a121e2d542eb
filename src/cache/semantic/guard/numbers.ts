const UNITS_EN =
  'zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen'.split(
    ' ',
  );
const TENS_EN = 'twenty thirty forty fifty sixty seventy eighty ninety'.split(' ');
const SCALES: Readonly<Record<string, number>> = {
  hundred: 100,
  thousand: 1_000,
  million: 1_000_000,
  billion: 1_000_000_000,
  trillion: 1_000_000_000_000,
};

const ORDINALS_EN =
  'zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth'.split(
    ' ',
  );

/** Number words from zero, by language. English is composed; others are compared word by word. */
const WORDS: Readonly<Record<string, readonly string[]>> = {
  de: 'null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf'.split(' '),
  fr: 'zéro un deux trois quatre cinq six sept huit neuf dix onze douze'.split(' '),
  es: 'cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce'.split(' '),
  it: 'zero uno due tre quattro cinque sei sette otto nove dieci undici dodici'.split(' '),
  pt: 'zero um dois três quatro cinco seis sete oito nove dez onze doze'.split(' '),
  nl: 'nul één twee drie vier vijf zes zeven acht negen tien elf twaalf'.split(' '),
};

const EN_VALUES: ReadonlyMap<string, number> = new Map([
  ...UNITS_EN.map((word, value) => [word, value] as const),
  ...TENS_EN.map((word, place) => [word, (place + 2) * 10] as const),
]);

/** @returns such as `#2` for `2nd`; undefined for anything else */
export function ordinalOf(word: string): string | undefined {
  const match = /^(\d+)(?:st|nd|rd|th)$/.exec(word);
  return match ? `#${match[1]}` : undefined;
}

/** @returns the value of a Roman numeral up to 50 in capitals; undefined for other words */
export function romanValue(word: string): number | undefined {
  const match = /^(X{0,3})(IX|IV|V?I{0,3})$/.exec(word);
  if (!match || word === '') return undefined;
  const [, tens = '', ones = ''] = match;
  const low = ['', 'I', 'II', 'III', 'IV', 'V', 'VI', 'VII', 'VIII', 'IX'].indexOf(ones);
  return tens.length * 10 + low;
}

/** Spelled-out numbers of a language as digits: `two hundred and five` becomes `205`, `first` becomes `#1`. */
export function digitsOf(words: readonly string[], language: string): readonly string[] {
  if (language === 'en') return englishDigits(words);
  const known = WORDS[language];
  if (!known) return words;
  return words.map((word) => {
    const value = known.indexOf(word);
    // One is also an article.
    return value === -1 || value === 1 ? word : String(value);
  });
}

function englishDigits(words: readonly string[]): readonly string[] {
  const out: string[] = [];
  let at = 0;
  while (at < words.length) {
    const read = readNumber(words, at);
    if (read) {
      out.push(String(read.value));
      at = read.next;
      continue;
    }
    const word = words[at] ?? '';
    const ordinal = ORDINALS_EN.indexOf(word);
    out.push(ordinal > 0 ? `#${ordinal}` : word);
    at += 1;
  }
  return out;
}

function readNumber(
  words: readonly string[],
  from: number,
): { readonly value: number; readonly next: number } | undefined {
  let total = 0;
  let current: number | undefined;
  let at = from;
  let isDigits = false;
  for (; at < words.length; at += 1) {
    const word = words[at] ?? '';
    const value = EN_VALUES.get(word);
    const scale = SCALES[word];
    if (value !== undefined) {
      const fits = current === undefined || current % 100 === 0 || (current % 10 === 0 && value < 10);
      if (isDigits || !fits) break;
      current = (current ?? 0) + value;
    } else if (current === undefined && /^\d+(?:\.\d+)?$/.test(word)) {
      current = Number(word);
      isDigits = true;
    } else if (scale !== undefined && current !== undefined) {
      if (scale === 100) current *= scale;
      else {
        total += current * scale;
        current = 0;
        isDigits = false;
      }
    } else if (word === 'and' && !isDigits && current !== undefined && EN_VALUES.has(words[at + 1] ?? '')) {
      // Only after a scale: `two hundred and five`, not `two and three`.
      if (SCALES[words[at - 1] ?? ''] === undefined) break;
    } else break;
  }
  if (current === undefined) return undefined;
  if (isDigits && total === 0 && at === from + 1) return { value: Number(words[from]), next: at };
  return { value: total + current, next: at };
}
