import type { GatewayError } from '../../core/errors.ts';
import { isRecord } from '../../core/json.ts';
import type { BufferedResponse, Target } from '../types.ts';
import {
  codeForStatus,
  type ErrorMeaning,
  errorFromEvent,
  errorFromStatus,
  meaningful,
  plainReason,
  readJsonBody,
  typeForStatus,
  type UpstreamProblem,
} from '../upstream-error.ts';

type Problem = Pick<UpstreamProblem, 'message' | 'type' | 'code' | 'param'>;

/** Reads an error in vendors' forms: `{error:{...}}`, `{error:"..."}`, `{message}`, `{detail}`. */
function readProblem(body: unknown): Problem {
  const nothing = { message: undefined, type: undefined, code: undefined, param: undefined };
  if (!isRecord(body)) return nothing;
  if (typeof body.error === 'string') return { ...nothing, message: meaningful(body.error) };
  const error = isRecord(body.error) ? body.error : body;
  const detail = error.message ?? error.detail ?? error.error;
  const message =
    typeof detail === 'string' || detail === undefined || detail === null ? detail : JSON.stringify(detail);
  return {
    message: meaningful(message),
    type: meaningful(error.type),
    code: typeof error.code === 'number' ? error.code : meaningful(error.code),
    param: meaningful(error.param),
  };
}

const TOO_LONG =
  /context[_ ](?:length|window|size)|maximum context|prompt is too long|too many (?:input |prompt )?tokens|input is too long|exceeds? the (?:available |model'?s? )?(?:context|maximum.*tokens)/i;
const REFUSED_CONTENT =
  /content_policy|content_filter|responsibleaipolicy|content management policy|safety system|moderation/i;

/** @returns the meaning of an error beyond its status */
function meaningOf({ message, type, code }: Problem, status: number | undefined): ErrorMeaning | undefined {
  if (status !== undefined && (status < 400 || status >= 500 || status === 401 || status === 429))
    return undefined;
  const words = `${type ?? ''} ${code ?? ''}`;
  if (
    /context_length_exceeded|exceed_context_size|too_many_prompt_tokens/.test(words) ||
    TOO_LONG.test(message ?? '')
  )
    return 'context-length';
  if (REFUSED_CONTENT.test(words) || (status === 400 && REFUSED_CONTENT.test(message ?? '')))
    return 'content-policy';
  if (status !== undefined) return undefined;
  if (/rate_limit|quota/.test(words)) return 'rate-limit';
  if (/overloaded|unavailable/.test(words)) return 'overloaded';
  return /invalid_request/.test(words) ? 'rejected' : undefined;
}

/** Makes the error for a response with an error status or a redirect. */
export function errorFromResponse(response: BufferedResponse, { provider }: Target): GatewayError {
  const { status } = response;
  const { text, json: body } = readJsonBody(response);
  const problem = readProblem(body);
  const error = isRecord(body) && isRecord(body.error) ? body.error : undefined;
  const meaning = meaningOf(problem, status);
  const shown = {
    ...error,
    type: problem.type ?? typeForStatus(status),
    // Engines send the status as a number here, clients expect text. Agents compact their history on this code only.
    code:
      meaning === 'context-length'
        ? 'context_length_exceeded'
        : String(problem.code ?? codeForStatus(status)),
    param: problem.param ?? null,
  };
  return errorFromStatus(
    response,
    {
      ...problem,
      message: problem.message ?? plainReason(response, text),
      meaning,
      ...(error === undefined ? {} : { body: { dialect: 'openai-chat', error: shown } }),
    },
    provider,
  );
}

/** Makes the error for an error object in a stream or in a response with status 200. */
export function errorFromObject(
  json: Readonly<Record<string, unknown>>,
  provider: string,
  credential: string | undefined,
): GatewayError {
  const problem = readProblem(json);
  const status = Number(problem.code ?? Number.NaN);
  const meaning = meaningOf(problem, status >= 400 && status < 600 ? status : undefined);
  return errorFromEvent({ ...problem, meaning }, { id: provider, credential });
}
