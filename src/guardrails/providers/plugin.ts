import type { PluginHost } from '../../plugins/host.ts';
import { PluginFailure } from '../../plugins/plugin-failure.ts';
import { readVerdict } from '../../plugins/results.ts';
import {
  type BatchVerdict,
  type CheckContext,
  type CheckedText,
  type GuardrailAction,
  GuardrailFailure,
  type RemoteChecker,
} from '../guardrail.ts';

/** Asks a plugin about texts. */
export class PluginChecker implements RemoteChecker {
  readonly mode = 'async';

  /** @param host finds the plugin; undefined where it is not enabled */
  constructor(
    private readonly plugin: string,
    private readonly action: GuardrailAction,
    private readonly host: () => PluginHost | undefined,
  ) {}

  async check(
    texts: readonly CheckedText[],
    { requestId, tenant, model }: CheckContext,
    _signal: AbortSignal,
  ): Promise<BatchVerdict> {
    const host = this.host();
    if (!host) throw new GuardrailFailure('unavailable', `the plugin "${this.plugin}" is not enabled`);
    if (host.manifest && !host.manifest.hasGuardrail) {
      throw new GuardrailFailure('failed', `the plugin "${this.plugin}" is no guardrail`);
    }
    const check = {
      ...{ id: requestId, tenant, model },
      texts: texts.map(({ direction, role, text }) => ({ direction, role, text })),
    };
    const { findings, texts: changed } = await host
      .call('check', check, (result) => readVerdict(result, texts.length))
      .catch((error: unknown) => {
        throw asGuardrailFailure(error);
      });
    const counts = new Map<string, number>();
    let score = 0;
    for (const finding of findings) {
      counts.set(finding.kind, (counts.get(finding.kind) ?? 0) + 1);
      score = Math.max(score, finding.score ?? 1);
    }
    if (counts.size === 0) return { counts };
    if (this.action === 'redact' && !changed) {
      throw new GuardrailFailure('failed', `the plugin "${this.plugin}" gave no texts without its findings`);
    }
    return { counts, score, ...(changed ? { texts: changed } : {}) };
  }
}

const REASONS = {
  timeout: 'timeout',
  invalid: 'invalid_response',
  unavailable: 'unavailable',
  exit: 'unavailable',
} as const;

function asGuardrailFailure(error: unknown): unknown {
  if (!(error instanceof PluginFailure)) return error;
  const reasons: Readonly<Record<string, GuardrailFailure['reason']>> = REASONS;
  return new GuardrailFailure(reasons[error.reason] ?? 'failed', error.message, { cause: error });
}
