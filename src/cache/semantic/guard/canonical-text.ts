import type { QuestionForm } from './question-form.ts';

/** How what is asked for reads as words. */
const INTENT_WORDS: Readonly<Record<string, string>> = {
  HOWTO: 'how to',
  WHAT: 'what is',
  OBJECT: 'what',
  WHICH: 'which',
  WHY: 'why',
  WHEN: 'when',
  YEAR: 'when',
  TIME: 'when',
  DAY: 'when',
  WHO: 'who',
  WHOSE: 'whose',
  WHERE: 'where',
  MANY: 'how many',
  MUCH: 'how much',
  OFTEN: 'how often',
  IS: 'is',
  TRANSLATE: 'translate',
  SAY: '',
};

/**
 * A question without politeness and in the words that stand for their synonyms, so that the similarity of two questions is
 * that of what they ask.
 * @returns such as `how to reset password`
 */
export function canonicalText({ sentences }: QuestionForm): string {
  return sentences
    .map(({ intent, segments }) => {
      const parts = segments.map(({ marker, tokens }) =>
        [
          marker,
          ...tokens.map(
            ({ forms, text }) => forms[0]?.replace(/^~|^(?:code|quoted|symbol) |\*$/g, '') ?? text,
          ),
        ].join(' '),
      );
      return [INTENT_WORDS[intent] ?? intent.toLowerCase(), ...parts]
        .join(' ')
        .replaceAll(/\s+/g, ' ')
        .trim();
    })
    .join('. ');
}
