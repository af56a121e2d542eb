import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { InjectionDetector } from '../injection/detector.ts';
import { matchesSet, PATTERN_SETS, type PatternSet } from '../pattern-sets.ts';

const labelledText = z.strictObject({
  label: z.enum(['attack', 'benign']),
  /** What it is: `override`, `extraction`, `code`, `medicine` and others. */
  kind: z.string().min(1),
  role: z.enum(['user', 'tool']).default('user'),
  text: z.string().min(1),
});
/** A text, and whether it is an attack. */
export type LabelledText = z.infer<typeof labelledText>;

/** How well one rule set tells attacks from benign texts. */
export interface Evaluation {
  readonly ruleSet: string;
  /** What the rule set is measured on; `all` for the whole set. */
  readonly kind: string;
  readonly attacks: number;
  readonly found: number;
  readonly benign: number;
  readonly falseAlarms: number;
}

/** A text that a rule set gets wrong. */
export interface Mistake {
  readonly ruleSet: string;
  readonly label: LabelledText['label'];
  readonly kind: string;
  readonly score: number;
  readonly text: string;
}

/** The labelled set of the project, in JSON Lines. */
export function shippedSet(): readonly LabelledText[] {
  return parseSet(readFileSync(new URL('./labelled-set.jsonl', import.meta.url), 'utf8'));
}

/** @throws Error that names the line of an entry that is not valid */
export function parseSet(lines: string): readonly LabelledText[] {
  return lines.split('\n').flatMap((line, index) => {
    if (line.trim() === '') return [];
    const parsed = labelledText.safeParse(jsonOf(line, index + 1));
    if (parsed.success) return [parsed.data];
    throw new Error(`line ${index + 1}: ${z.prettifyError(parsed.error)}`);
  });
}

function jsonOf(line: string, number: number): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new Error(`line ${number}: not valid JSON`);
  }
}

/**
 * Runs the rule sets over labelled texts: the injection rules, all and by kind of attack, and the SQL and XSS patterns.
 * @param threshold score from which the injection rules act, 0 to 1
 */
export function evaluate(
  set: readonly LabelledText[],
  threshold: number,
): { readonly rows: readonly Evaluation[]; readonly mistakes: readonly Mistake[] } {
  const detector = new InjectionDetector();
  const mistakes: Mistake[] = [];
  const isPattern = (kind: string) => PATTERN_SETS.some((name) => name === kind);
  const measure = (
    ruleSet: string,
    texts: readonly LabelledText[],
    scoreOf: (one: LabelledText) => number,
    least: number,
  ): Evaluation[] => {
    const byKind = new Map<string, { attacks: number; found: number; benign: number; falseAlarms: number }>();
    for (const one of texts) {
      const score = scoreOf(one);
      const acts = score >= least;
      if (acts !== (one.label === 'attack')) mistakes.push({ ruleSet, ...one, score });
      for (const kind of ['all', `${one.label}: ${one.kind}`]) {
        const row = byKind.get(kind) ?? { attacks: 0, found: 0, benign: 0, falseAlarms: 0 };
        if (one.label === 'attack') {
          row.attacks += 1;
          if (acts) row.found += 1;
        } else {
          row.benign += 1;
          if (acts) row.falseAlarms += 1;
        }
        byKind.set(kind, row);
      }
    }
    return [...byKind].map(([kind, row]) => ({ ruleSet, kind, ...row }));
  };
  const injection = set.filter(({ label, kind }) => label === 'benign' || !isPattern(kind));
  const ofSet = (name: PatternSet) => set.filter(({ label, kind }) => label === 'benign' || kind === name);
  const rows = [
    ...measure('injection', injection, ({ text, role }) => detector.detect(text, role).score, threshold),
    ...PATTERN_SETS.flatMap((name) =>
      measure(name, ofSet(name), ({ text }) => (matchesSet(name, text) ? 1 : 0), 1).filter(
        ({ kind }) => kind === 'all',
      ),
    ),
  ];
  return { rows, mistakes };
}
