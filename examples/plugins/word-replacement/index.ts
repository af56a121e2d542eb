import type { Plugin, RequestText, ResponseText, TextEdit } from 'weir/plugin';

interface Config {
  readonly words: Readonly<Record<string, string>>;
  readonly directions: readonly ('request' | 'response')[];
}

const LETTER = /[\p{L}\p{N}_\p{Cs}]/u;
/** UTF-16 units that wait for the end of a word. */
const MAX_KEPT = 200;

/** Letters, digits and "_" around a word make it another word. */
const wordPattern = (words: readonly string[]) => {
  const escaped = words.map((word) => word.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, '\\$&'));
  const longestFirst = escaped.toSorted((one, other) => other.length - one.length);
  return new RegExp(`(?<![\\p{L}\\p{N}_])(?:${longestFirst.join('|')})(?![\\p{L}\\p{N}_])`, 'giu');
};

/** Replaces words in requests and responses, streams included, such as code names that customers must not read. */
export default {
  apiVersion: 1,
  name: 'word-replacement',
  version: '1.0.0',
  description: 'Replaces words in requests and responses.',
  config: {
    type: 'object',
    properties: {
      words: {
        type: 'object',
        minProperties: 1,
        additionalProperties: { type: 'string' },
        description: 'Words or phrases, in any case, and what stands in their place.',
      },
      directions: {
        type: 'array',
        items: { enum: ['request', 'response'] },
        default: ['request', 'response'],
      },
    },
    required: ['words'],
    additionalProperties: false,
  },
  setup({ words, directions }, host) {
    const byWord = new Map(Object.entries(words).map(([word, other]) => [word.toLowerCase(), other]));
    const pattern = wordPattern([...byWord.keys()]);
    const longest = Math.max(...[...byWord.keys()].map((word) => word.length));
    const replace = (text: string) =>
      text.replaceAll(pattern, (word) => {
        host.count('replaced_words');
        return byWord.get(word.toLowerCase()) ?? word;
      });
    const edits = (texts: readonly (RequestText | ResponseText)[]): readonly TextEdit[] =>
      texts.flatMap(({ kind, text }, index) => {
        // The arguments of tools are data for programs.
        const replaced = kind === 'tool_call' ? text : replace(text);
        return replaced === text ? [] : [{ index, text: replaced }];
      });
    /** Behind it, a word may continue in the next window. */
    const endOfSent = (text: string): number => {
      const latest = Math.max(0, text.length - longest - 1);
      let end = latest;
      for (const { index, 0: word } of text.matchAll(pattern)) {
        if (index < end && index + word.length > end) end = index;
      }
      while (end > 0 && LETTER.test(text.charAt(end - 1)) && LETTER.test(text.charAt(end))) end -= 1;
      // A word that is longer than any that is replaced.
      return end === 0 && latest > MAX_KEPT ? latest : end;
    };
    return {
      interceptor: {
        ...(directions.includes('request') && { request: ({ texts }) => ({ texts: edits(texts) }) }),
        ...(directions.includes('response') && {
          response: ({ texts }) => ({ texts: edits(texts) }),
          window({ kind, text, isLast }) {
            if (kind === 'tool_call') return {};
            if (isLast) return { text: replace(text) };
            const end = endOfSent(text);
            return { text: replace(text.slice(0, end)), keep: text.length - end };
          },
        }),
      },
    };
  },
} satisfies Plugin<Config>;
