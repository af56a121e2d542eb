import {
  MODERATION_CATEGORIES,
  type ModerationCategory,
  type ModerationInput,
  type ModerationRequest,
  type ModerationResult,
  type ModerationVerdict,
} from '../../core/moderation.ts';
import { fold } from '../../redaction/fold.ts';
import { FLAGGED_FROM, MODERATION_RULES, type ModerationRule } from './rules.ts';

/** The model that responses of these rules name; the number rises when rules change what they flag. */
export const RULES_MODEL = 'weir-moderation-1';

/** UTF-16 units that are read at once: a few milliseconds. */
const WINDOW = 16_384;
/** UTF-16 units that windows have in common: more than the longest phrase. */
const OVERLAP = 512;
/** No rule is certain. */
const MAX_SCORE = 0.99;
/** How sure a configured word makes of its category. */
const WORD_WEIGHT = 0.9;

/** Words by category that the configuration adds to the rules. */
export type ModerationWords = Readonly<Partial<Record<ModerationCategory, readonly string[]>>>;

/** Classifies texts by rules: words and phrases, without a model and without a network. */
export class Moderator {
  readonly #rules: readonly ModerationRule[];

  constructor(words: ModerationWords) {
    this.#rules = [...MODERATION_RULES, ...wordRules(words)];
  }

  /** @param pause resolves when other tasks had their turn: long texts are read in pieces */
  async moderate(
    { inputs }: ModerationRequest,
    pause: () => Promise<void>,
  ): Promise<Omit<ModerationResult, 'id'>> {
    const verdicts: ModerationVerdict[] = [];
    for (const input of inputs) verdicts.push(await this.#verdict(input, pause));
    return { model: RULES_MODEL, verdicts };
  }

  async #verdict({ texts }: ModerationInput, pause: () => Promise<void>): Promise<ModerationVerdict> {
    const matched = new Set<ModerationRule>();
    for (const text of texts) {
      for (let start = 0; start < text.length; start += WINDOW) {
        const piece = text.slice(Math.max(0, start - OVERLAP), start + WINDOW);
        const folded = fold(piece.normalize('NFKC').replaceAll('\u2019', "'")).text;
        for (const rule of this.#rules) {
          if (matched.has(rule)) continue;
          rule.pattern.lastIndex = 0;
          if (rule.pattern.test(folded)) matched.add(rule);
        }
        await pause();
      }
    }
    return verdictOf(matched);
  }
}

function verdictOf(matched: ReadonlySet<ModerationRule>): ModerationVerdict {
  const scores: Partial<Record<ModerationCategory, number>> = {};
  for (const { category, weight } of matched) {
    const combined = 1 - (1 - (scores[category] ?? 0)) * (1 - weight);
    scores[category] = Math.min(MAX_SCORE, Math.round(combined * 10_000) / 10_000);
  }
  return {
    scores,
    flagged: MODERATION_CATEGORIES.filter((category) => (scores[category] ?? 0) >= FLAGGED_FROM),
  };
}

function escaped(word: string): string {
  return word.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`);
}

function wordRules(words: ModerationWords): ModerationRule[] {
  return MODERATION_CATEGORIES.flatMap((category) => {
    const list = words[category] ?? [];
    if (list.length === 0) return [];
    const any = list.map((word) => escaped(word.normalize('NFKC'))).join('|');
    const pattern = new RegExp(`(?<![\\p{L}\\p{N}_])(?:${any})(?![\\p{L}\\p{N}_])`, 'giu');
    return [{ category, weight: WORD_WEIGHT, pattern }];
  });
}
