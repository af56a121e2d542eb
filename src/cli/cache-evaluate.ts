import { readFile } from 'node:fs/promises';
import { dataFolder } from '../app/database-servers.ts';
import type { Embedder } from '../cache/embedders/embedder.ts';
import { EmbedderFilesError, embedderFolder, loadEmbedder } from '../cache/embedders/embedder-files.ts';
import {
  type EvaluationPair,
  evaluatePair,
  evaluationPair,
  type PairResult,
  summarise,
} from '../cache/semantic/evaluation/evaluate.ts';
import { parseJsonText } from '../core/json.ts';
import { CommandError, EXIT, type StoreCommand, table } from './output.ts';

/** The threshold that applies without `cache.semantic.threshold`. */
const DEFAULT_THRESHOLD = 0.8;
const OWN_PAIRS = new URL('../cache/semantic/evaluation/pairs.jsonl', import.meta.url);

export interface EvaluateOptions {
  /** A file of pairs; undefined for the set that ships with Weir. */
  readonly pairs: string | undefined;
  readonly threshold: string | undefined;
  readonly json: boolean;
}

/**
 * Decides for every pair of a labelled set whether the semantic cache would serve one's response for the other.
 * @returns the exit code: 1 where a pair of different questions would be a hit
 */
export async function evaluateCommand(
  { config, output }: StoreCommand,
  { pairs, threshold, json }: EvaluateOptions,
): Promise<number> {
  const least = threshold === undefined ? DEFAULT_THRESHOLD : Number(threshold);
  if (!(least >= 0 && least <= 1)) throw new CommandError('--threshold must be a number from 0 to 1.');
  const embedder = await builtInEmbedder(embedderFolder(dataFolder(config)));
  const results: PairResult[] = [];
  for (const pair of await readPairs(pairs)) results.push(await evaluatePair(pair, embedder, least));
  const same = results.filter(({ pair }) => pair.same);
  const traps = results.filter(({ pair }) => !pair.same);
  const wrong = traps.filter(({ isHit }) => isHit);
  const found = same.filter(({ isHit }) => isHit).length;
  const share = same.length === 0 ? 0 : Math.round((1_000 * found) / same.length) / 10;
  if (json) {
    output.out(
      JSON.stringify({
        pairs: results.length,
        threshold: least,
        embedder: embedder.id,
        paraphrases: { pairs: same.length, hits: found, share_percent: share },
        traps: { pairs: traps.length, hits: wrong.length },
        classes: summarise(results),
        missed: same.filter(({ isHit }) => !isHit).map(describe),
        trap_hits: wrong.map(describe),
      }),
    );
  } else {
    const rows = summarise(results).map((one) => [
      one.name,
      one.same ? 'same' : 'trap',
      String(one.pairs),
      String(one.hits),
      `${Math.round((100 * one.hits) / one.pairs)}%`,
    ]);
    output.out(table(['class', 'kind', 'pairs', 'hits', 'share'], rows));
    output.out(
      `Paraphrases found: ${found} of ${same.length} (${share}%). Trap hits: ${wrong.length} of ${traps.length}.`,
    );
    for (const { pair, similarity } of wrong) {
      output.err(`trap hit (${pair.class}, similarity ${similarity?.toFixed(3)}): ${pair.a} / ${pair.b}`);
    }
  }
  return wrong.length === 0 ? EXIT.ok : EXIT.failure;
}

function describe({ pair, similarity, reason }: PairResult) {
  const { class: kind, a, b } = pair;
  return { class: kind, a, b, similarity: similarity ?? null, reason: reason ?? null };
}

async function builtInEmbedder(folder: string): Promise<Embedder> {
  try {
    return await loadEmbedder(folder);
  } catch (error) {
    throw error instanceof EmbedderFilesError ? new CommandError(error.message) : error;
  }
}

async function readPairs(file: string | undefined): Promise<readonly EvaluationPair[]> {
  const text = await readFile(file ?? OWN_PAIRS, 'utf8').catch((error: unknown) => {
    throw new CommandError(`Cannot read ${file}: ${error instanceof Error ? error.message : String(error)}.`);
  });
  const pairs: EvaluationPair[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const read = evaluationPair.safeParse(parseJsonText(line));
    if (!read.success) {
      throw new CommandError(
        `Line ${index + 1} of ${file ?? 'the shipped pairs'} is no pair. Write it as {"class":"names","same":false,"a":"...","b":"..."}.`,
      );
    }
    pairs.push(read.data);
  }
  if (pairs.length === 0) throw new CommandError(`${file ?? 'The set'} has no pairs.`);
  return pairs;
}
