import { Pseudonyms } from '../redaction/pseudonyms.ts';
import { checkText } from './check-text.ts';
import type { AskModel, CheckContext, CheckedText, Guardrail, GuardrailAction } from './guardrail.ts';

/** What one guardrail would do with a text. */
export interface DryRunResult {
  readonly guardrail: string;
  readonly version: string;
  readonly kind: string;
  /** `allow`, or what the guardrail does; `error` where it cannot check the text. */
  readonly outcome: GuardrailAction | 'allow' | 'error';
  readonly score: number;
  /** Number of findings by kind. */
  readonly findings: Readonly<Record<string, number>>;
  readonly error?: string;
}

export interface DryRun {
  readonly results: readonly DryRunResult[];
  /** A guardrail blocks the text. */
  readonly isBlocked: boolean;
  /** The text as the provider, or the client, would receive it. */
  readonly text: string;
}

const NO_MODEL: AskModel = () => Promise.reject(new Error('a dry run asks no model'));

/** Shows what guardrails would do with one text, in their order. Nothing is sent, counted or logged. */
export async function dryRun(
  guardrails: readonly Guardrail[],
  text: CheckedText,
  context: Partial<Pick<CheckContext, 'model' | 'tenant' | 'ask'>> = {},
): Promise<DryRun> {
  const full: CheckContext = {
    ...{ requestId: 'dry-run', tenant: '', model: '', ask: NO_MODEL, ...context },
    pseudonyms: new Pseudonyms(),
    pause: () => new Promise((resolve) => setImmediate(resolve)),
  };
  full.pseudonyms.reserve(text.text);
  const results: DryRunResult[] = [];
  let current = text.text;
  for (const guardrail of guardrails) {
    if (!guardrail.reads(text)) continue;
    const passed = await check(guardrail, { ...text, text: current }, full);
    results.push(passed.result);
    if (guardrail.changesTexts && passed.result.outcome === guardrail.action) current = passed.text;
  }
  const isBlocked = results.some(
    ({ outcome, guardrail }) =>
      outcome === 'block' ||
      (outcome === 'error' && guardrails.find(({ id }) => id === guardrail)?.policy.fail === 'closed'),
  );
  return { results, isBlocked, text: current };
}

async function check(
  guardrail: Guardrail,
  text: CheckedText,
  context: CheckContext,
): Promise<{ readonly result: DryRunResult; readonly text: string }> {
  const { id, action, checker, policy } = guardrail;
  const common = { guardrail: id, version: policy.version, kind: policy.kind };
  try {
    const verdict = await verdictOf(checker, text, context, policy.timeoutMs);
    const acts = verdict.counts.size > 0 && verdict.action !== 'allow';
    return {
      result: {
        ...common,
        outcome: acts ? action : 'allow',
        score: verdict.counts.size === 0 ? 0 : (verdict.score ?? 1),
        findings: Object.fromEntries(verdict.counts),
      },
      text: verdict.text,
    };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return {
      result: { ...common, outcome: 'error', score: 0, findings: {}, error: message },
      text: text.text,
    };
  }
}

async function verdictOf(
  checker: Guardrail['checker'],
  text: CheckedText,
  context: CheckContext,
  timeoutMs: number,
) {
  if (checker.mode === 'async') {
    const { texts, ...verdict } = await checker.check([text], context, AbortSignal.timeout(timeoutMs));
    return { ...verdict, text: texts?.[0] ?? text.text };
  }
  const shape = {
    ...{ model: context.model, characters: text.text.length, tools: 0 },
    bytes: Buffer.byteLength(text.text),
  };
  const whole = checker.request?.(shape, context);
  const own = await checkText(checker, text, context);
  if (!whole || whole.counts.size === 0) return own;
  return { ...own, counts: new Map([...own.counts, ...whole.counts]) };
}
