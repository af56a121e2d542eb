import { editCall } from '../core/edit-call.ts';
import { GatewayError } from '../core/errors.ts';
import type { InferenceCall } from '../core/inference.ts';
import type { Warning } from '../core/warning.ts';

/** The most output tokens that a request may ask for, and what says so. */
export interface OutputLimit {
  readonly max: number;
  /** Such as `this API key`. */
  readonly of: string;
}

/** @returns the smaller of both; undefined where neither is set */
export function smallerLimit(
  one: OutputLimit | undefined,
  other: OutputLimit | undefined,
): OutputLimit | undefined {
  if (!one || !other) return one ?? other;
  return one.max <= other.max ? one : other;
}

/**
 * Limits the output of a chat or completion.
 * @param strict rejects a request that asks for more
 * @param warn receives the change, where the request asked for more
 * @throws GatewayError `invalid_request`
 */
export function limitOutput(
  call: InferenceCall,
  { max, of }: OutputLimit,
  strict: boolean,
  warn: (warning: Warning) => void,
): InferenceCall {
  if (call.operation !== 'chat' && call.operation !== 'completion') return call;
  const wanted = call.view().requestDemand().outputLimit;
  if (wanted !== undefined && wanted <= max) return call;
  if (wanted !== undefined) {
    const param = 'max_tokens';
    if (strict) {
      throw new GatewayError(
        'invalid_request',
        `The request asks for up to ${wanted} output tokens; ${of} allows ${max}. Ask for at most ${max}.`,
        { param },
      );
    }
    const message = `${wanted} output tokens were asked for; ${of} allows ${max}.`;
    warn({ kind: 'changed', param, message });
  }
  return editCall(call, { type: 'limit-output', max }) ?? call;
}
