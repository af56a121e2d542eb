import type { ChatResult } from '../../core/chat/result.ts';
import { asString, records } from '../../core/json.ts';
import { decodeJson, invalidResponse } from '../decode.ts';
import type { BufferedResponse, Target } from '../types.ts';
import { errorFromResponses } from './errors.ts';
import { originOf } from './origin.ts';
import { finishOf, identityOf, isToolCall, logprobsOf, partsOf } from './output.ts';
import { readResponsesUsage } from './usage.ts';

/** Decodes a complete response. @throws GatewayError for a failure with status 200 */
export function decodeResponse(
  response: BufferedResponse,
  { provider }: Target,
): { readonly text: string; readonly json: Record<string, unknown> } {
  const output = decodeJson(response, provider);
  const { json } = output;
  if ((json.error !== undefined && json.error !== null) || json.status === 'failed') {
    throw errorFromResponses(json, provider);
  }
  if (!Array.isArray(json.output)) {
    throw invalidResponse(
      provider,
      'responded without "output"; the response has another format than requested.',
    );
  }
  return output;
}

/** Reads a complete response in canonical form. */
export function parseResponse(response: BufferedResponse, target: Target): ChatResult {
  const { json } = decodeResponse(response, target);
  if (json.status === 'in_progress' || json.status === 'queued' || json.status === 'cancelled') {
    throw invalidResponse(target.provider, `sent a response that is "${json.status}", not complete.`);
  }
  const origin = originOf(target);
  const items = records(json.output);
  const usage = readResponsesUsage(json.usage);
  const serviceTier = asString(json.service_tier);
  const logprobs = items.flatMap((item) =>
    records(item.content).flatMap((part) => logprobsOf(part.logprobs) ?? []),
  );
  return {
    ...identityOf(json),
    choices: [
      {
        index: 0,
        content: items.flatMap((item) => partsOf(item, origin)),
        finish: finishOf(json, items.some(isToolCall)),
        ...(logprobs.length === 0 ? {} : { logprobs }),
      },
    ],
    ...(usage === undefined ? {} : { usage }),
    ...(serviceTier === undefined ? {} : { serviceTier }),
  };
}
