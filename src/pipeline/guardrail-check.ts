import { checkText, type KeyedText } from '../guardrails/check-text.ts';
import {
  type BatchVerdict,
  type CheckedText,
  type Guardrail,
  GuardrailFailure,
  type GuardrailStage,
  type RemoteChecker,
  type TextChecker,
} from '../guardrails/guardrail.ts';
import type { GuardrailRun } from './guardrail-run.ts';

/** A guardrail of a kind that computes its verdicts. */
export interface TextGuardrail {
  readonly guardrail: Guardrail;
  readonly checker: TextChecker;
}

/** A guardrail of a kind that asks a server. */
export interface RemoteGuardrail {
  readonly guardrail: Guardrail;
  readonly checker: RemoteChecker;
}

/** A request, or a branch of it. Its signal is made when it is first read. */
export interface Cancellable {
  readonly signal: AbortSignal;
}

/** Guardrails by how they check, in their order. */
export interface SortedGuardrails {
  readonly text: readonly TextGuardrail[];
  readonly remote: readonly RemoteGuardrail[];
}

/** Sorts the guardrails that read one stage of requests. */
export function sortGuardrails(list: readonly Guardrail[], stage: GuardrailStage): SortedGuardrails {
  const text: TextGuardrail[] = [];
  const remote: RemoteGuardrail[] = [];
  for (const guardrail of list) {
    if (stage === 'input' ? !guardrail.readsRequests : !guardrail.readsResponses) continue;
    const { checker } = guardrail;
    if (checker.mode === 'sync') text.push({ guardrail, checker });
    else remote.push({ guardrail, checker });
  }
  return { text, remote };
}

/**
 * Passes one text through the guardrails, in their order.
 * @param now monotonic milliseconds
 * @returns the text in its place, and whether a guardrail blocks it
 */
export async function passText(
  list: readonly TextGuardrail[],
  text: KeyedText,
  run: GuardrailRun,
  now: () => number,
): Promise<{ readonly text: string; readonly blocks: boolean }> {
  let current = text.text;
  let blocks = false;
  for (const { guardrail, checker } of list) {
    if (!guardrail.reads(text)) continue;
    const startedAt = now();
    try {
      const checked = checkText(checker, { ...text, text: current }, run.context);
      const verdict = checked instanceof Promise ? await checked : checked;
      if (run.record(guardrail, text.stage, verdict, startedAt)) blocks = true;
      if (guardrail.changesTexts && verdict.action !== 'allow') current = verdict.text;
    } catch (error) {
      if (run.failed(guardrail, text.stage, error, startedAt)) blocks = true;
    }
  }
  return { text: current, blocks };
}

/**
 * Asks one remote guardrail about texts, within its time.
 * @param scope its signal is aborted when the verdict is not needed any more; absent where it is counted in any case
 * @returns the texts in their place; undefined where the guardrail blocks them
 */
export async function passBatch(
  { guardrail, checker }: RemoteGuardrail,
  texts: readonly CheckedText[],
  stage: GuardrailStage,
  run: GuardrailRun,
  now: () => number,
  scope?: Cancellable,
): Promise<readonly string[] | undefined> {
  const same = texts.map(({ text }) => text);
  const indexes = texts.flatMap((text, index) => (guardrail.reads(text) ? [index] : []));
  if (indexes.length === 0) return same;
  const read = indexes.flatMap((index) => texts[index] ?? []);
  const startedAt = now();
  const outer = scope?.signal;
  let verdict: BatchVerdict;
  try {
    verdict = await withTimeout(
      (signal) => checker.check(read, run.context, signal),
      guardrail.policy.timeoutMs,
      outer,
    );
  } catch (error) {
    if (outer?.aborted) throw outer.reason;
    return run.failed(guardrail, stage, error, startedAt) ? undefined : same;
  }
  if (run.record(guardrail, stage, verdict, startedAt)) return undefined;
  const { texts: changed, action } = verdict;
  if (!changed || !guardrail.changesTexts || action === 'allow') return same;
  const out = [...same];
  indexes.forEach((index, position) => {
    out[index] = changed[position] ?? out[index] ?? '';
  });
  return out;
}

/** Rejects when the time is over, also where the check ignores its signal. */
async function withTimeout<T>(
  check: (signal: AbortSignal) => Promise<T>,
  timeoutMs: number,
  outer: AbortSignal | undefined,
): Promise<T> {
  const controller = new AbortController();
  const abort = () => controller.abort(outer?.reason);
  if (outer?.aborted) throw outer.reason;
  outer?.addEventListener('abort', abort, { once: true });
  const timer = setTimeout(
    () => controller.abort(new GuardrailFailure('timeout', `no verdict within ${timeoutMs} ms`)),
    timeoutMs,
  );
  const { signal } = controller;
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  try {
    return await Promise.race([check(signal), aborted]);
  } finally {
    clearTimeout(timer);
    outer?.removeEventListener('abort', abort);
  }
}
