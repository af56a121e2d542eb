import { readFile } from 'node:fs/promises';
import { guardrailSets } from '../app/guardrails.ts';
import { dryRun } from '../guardrails/dry-run.ts';
import {
  type Evaluation,
  evaluate,
  type LabelledText,
  parseSet,
  shippedSet,
} from '../guardrails/evaluation/evaluate.ts';
import type { GuardrailDirection } from '../guardrails/guardrail.ts';
import { DEFAULT_THRESHOLD } from '../guardrails/kinds/injection.ts';
import { CommandError, EXIT, type StoreCommand, table } from './output.ts';

/** The most false alarms of the default rules, as a share of benign texts. */
const MAX_FALSE_ALARMS = 0.01;

export interface EvaluateOptions {
  /** Labelled texts in JSON Lines; those that ship with Weir when absent. */
  readonly set?: string;
  readonly threshold?: string;
  /** Prints the texts that the rules get wrong. */
  readonly mistakes: boolean;
  readonly json: boolean;
}

/** @returns the exit code: 1 for more than 1 % of false alarms */
export async function evaluateGuardCommand(
  { output }: Pick<StoreCommand, 'output'>,
  { set, threshold = String(DEFAULT_THRESHOLD), mistakes: lists, json }: EvaluateOptions,
): Promise<number> {
  const least = Number(threshold);
  if (!(least > 0 && least <= 1))
    throw new CommandError('--threshold is not valid: expected a number from 0 to 1.');
  const { rows, mistakes } = evaluate(set === undefined ? shippedSet() : await readSet(set), least);
  if (json) output.out(JSON.stringify({ threshold: least, rows, ...(lists && { mistakes }) }, null, 2));
  else {
    output.out(
      table(
        ['rule set', 'on', 'attacks', 'found', 'recall', 'benign', 'false alarms', 'rate'],
        rows.map(row),
      ),
    );
    for (const { ruleSet, label, kind, score, text } of lists ? mistakes : []) {
      output.out(
        `${label === 'attack' ? 'missed' : 'false alarm'} ${ruleSet} ${kind} ${score} ${JSON.stringify(text)}`,
      );
    }
  }
  const all = rows.find(({ ruleSet, kind }) => ruleSet === 'injection' && kind === 'all');
  return all && all.falseAlarms > all.benign * MAX_FALSE_ALARMS ? EXIT.failure : EXIT.ok;
}

function row({ ruleSet, kind, attacks, found, benign, falseAlarms }: Evaluation): string[] {
  return [
    ...[ruleSet, kind, String(attacks), String(found), share(found, attacks)],
    ...[String(benign), String(falseAlarms), share(falseAlarms, benign)],
  ];
}

function share(part: number, all: number): string {
  return all === 0 ? '-' : `${((100 * part) / all).toFixed(1)} %`;
}

async function readSet(file: string): Promise<readonly LabelledText[]> {
  const lines = await readText(file);
  try {
    return parseSet(lines);
  } catch (error) {
    throw new CommandError(
      `${file} is not a labelled set: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file === '-' ? '/dev/stdin' : file, 'utf8');
  } catch (error) {
    throw new CommandError(`cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

export interface TestOptions {
  readonly direction: GuardrailDirection;
  /** Only this guardrail. */
  readonly id?: string;
  readonly model?: string;
  readonly json: boolean;
}

/** Shows what the guardrails of the configuration do with the text of a file. @returns the exit code: 1 where one blocks it */
export async function testGuardCommand(
  { config, output }: Pick<StoreCommand, 'config' | 'output'>,
  file: string,
  { direction, id, model = '', json }: TestOptions,
): Promise<number> {
  const { ofGateway } = await guardrailSets(config, { hashSecret: 'dry-run' });
  const chosen = ofGateway.filter((guardrail) => id === undefined || guardrail.id === id);
  if (chosen.length === 0) {
    const known = ofGateway.map((guardrail) => guardrail.id).join(', ');
    throw new CommandError(
      id === undefined
        ? 'the configuration has no guardrails: add some to "guardrails".'
        : `there is no guardrail "${id}": there are: ${known || 'none'}.`,
    );
  }
  const applying = chosen.filter(({ policy }) => policy.models.length === 0 || policy.models.includes(model));
  const stage = direction === 'output' ? 'output' : 'input';
  const role = direction === 'output' ? 'assistant' : direction === 'input' ? 'user' : 'tool';
  const { results, isBlocked, text } = await dryRun(
    applying,
    { text: await readText(file), stage, direction, role },
    { model },
  );
  if (json) output.out(JSON.stringify({ blocked: isBlocked, results, text }, null, 2));
  else {
    const rows = results.map(({ guardrail, version, outcome, score, findings, error }) => [
      ...[guardrail, version, outcome, score.toFixed(2)],
      error ??
        (Object.entries(findings)
          .map(([kind, count]) => `${kind} ${count}`)
          .join(', ') ||
          '-'),
    ]);
    output.out(table(['guardrail', 'version', 'outcome', 'score', 'findings'], rows));
    output.out(isBlocked ? 'The text is blocked.' : `The text passes:\n${text}`);
  }
  return isBlocked ? EXIT.failure : EXIT.ok;
}
