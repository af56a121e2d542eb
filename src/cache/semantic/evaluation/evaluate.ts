import { z } from 'zod';
import { canonicalJson } from '../../canonical-json.ts';
import { type Embedder, similarityOf } from '../../embedders/embedder.ts';
import { canonicalText } from '../guard/canonical-text.ts';
import { compareQuestions } from '../guard/compare-questions.ts';
import { questionForm } from '../guard/question-form.ts';
import { partitionKey } from '../semantic-partition.ts';

const context = z
  .record(z.string(), z.unknown())
  .optional()
  .describe('The rest of the request: `tenant`, `namespace`, `model`, and any members that must be equal.');

/** Two questions, and whether the response to one may be served for the other. One JSON object a line. */
export const evaluationPair = z.object({
  class: z.string().min(1).max(100),
  same: z.boolean(),
  a: z.string().min(1),
  b: z.string().min(1),
  context_a: context,
  context_b: context,
});

export type EvaluationPair = z.output<typeof evaluationPair>;

/** The outcome for one pair. */
export interface PairResult {
  readonly pair: EvaluationPair;
  readonly isHit: boolean;
  /** Undefined where the questions were not compared. */
  readonly similarity: number | undefined;
  /** Why it is no hit: `context`, `similarity`, or a reason of the guard. */
  readonly reason: string | undefined;
}

/** Hits of one class of pairs. */
export interface ClassResult {
  readonly name: string;
  readonly same: boolean;
  readonly pairs: number;
  readonly hits: number;
}

/** Milliseconds for one text; an evaluation may wait for a provider. */
const EMBEDDING_TIMEOUT_MS = 30_000;

/** Decides for a pair as the cache does: context, similarity, guard. */
export async function evaluatePair(
  pair: EvaluationPair,
  embedder: Embedder,
  threshold: number,
): Promise<PairResult> {
  const miss = (reason: string, similarity?: number): PairResult => ({
    pair,
    isHit: false,
    similarity,
    reason,
  });
  if (keyOf(pair.context_a, embedder) !== keyOf(pair.context_b, embedder)) return miss('context');
  const [asked, stored] = [questionForm(pair.b), questionForm(pair.a)];
  if (!asked || !stored) return miss('length');
  const one = await embedder.embed(canonicalText(asked), EMBEDDING_TIMEOUT_MS);
  const other = await embedder.embed(canonicalText(stored), EMBEDDING_TIMEOUT_MS);
  const similarity = one && other ? similarityOf(one, other) : Number.NaN;
  if (!(similarity >= threshold)) return miss('similarity', similarity);
  const verdict = compareQuestions(pair.b, pair.a);
  return verdict.matches
    ? { pair, isHit: true, similarity, reason: undefined }
    : miss(verdict.reason, similarity);
}

function keyOf(parts: EvaluationPair['context_a'], embedder: Embedder): string {
  const { tenant, namespace, model, ...rest } = parts ?? {};
  const text = (value: unknown) => (typeof value === 'string' ? value : '');
  return partitionKey({
    tenant: text(tenant),
    namespace: text(namespace),
    route: text(model),
    rest: canonicalJson(rest),
    embedder: embedder.id,
  });
}

/** @returns the hits of each class, in the order in which classes appear */
export function summarise(results: readonly PairResult[]): readonly ClassResult[] {
  const classes = new Map<string, ClassResult>();
  for (const { pair, isHit } of results) {
    const key = `${pair.same} ${pair.class}`;
    const before = classes.get(key) ?? { name: pair.class, same: pair.same, pairs: 0, hits: 0 };
    classes.set(key, { ...before, pairs: before.pairs + 1, hits: before.hits + (isHit ? 1 : 0) });
  }
  return [...classes.values()];
}
