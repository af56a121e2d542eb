import type { GatewayError } from '../../core/errors.ts';
import { isRecord, type JsonObject } from '../../core/json.ts';
import type { BufferedResponse, Target } from '../types.ts';
import {
  type ErrorMeaning,
  errorFromStatus,
  meaningful,
  plainReason,
  readJsonBody,
  typeForStatus,
} from '../upstream-error.ts';

/** Makes the error for a response of Azure with an error status. */
export function azureError(response: BufferedResponse, target: Target): GatewayError {
  const { text, json } = readJsonBody(response);
  const error = readError(json);
  const code = codeOf(error);
  const vendorMessage = meaningful(error.message) ?? plainReason(response, text);
  const meaning = meaningOf(response.status, code, vendorMessage, error);
  return errorFromStatus(
    response,
    {
      message: withAdvice(vendorMessage, code, response.status, target),
      type: meaningful(error.type),
      code,
      param: meaningful(error.param),
      meaning,
      retryAfterSeconds: retryAfter(response, vendorMessage),
      body: {
        dialect: 'openai-chat',
        error: {
          ...error,
          type: meaningful(error.type) ?? typeForStatus(response.status),
          code: meaning === 'context-length' ? 'context_length_exceeded' : (code ?? null),
          param: meaningful(error.param) ?? null,
        },
      },
    },
    target.provider,
  );
}

/** Reads `{error: {...}}` of the service, or `{statusCode, message}` of the API gateway before it. */
function readError(body: unknown): JsonObject {
  if (!isRecord(body)) return {};
  if (isRecord(body.error)) return body.error;
  return typeof body.error === 'string' ? { message: body.error } : body;
}

/** @returns Azure's error code; undefined when it is only the status */
function codeOf(error: JsonObject): string | undefined {
  const code = meaningful(error.code);
  return code === undefined || /^\d+$/.test(code) ? undefined : code;
}

function meaningOf(
  status: number,
  code: string | undefined,
  message: string,
  error: JsonObject,
): ErrorMeaning | undefined {
  const inner = isRecord(error.innererror) ? (meaningful(error.innererror.code) ?? '') : '';
  const words = `${code ?? ''} ${inner}`;
  if (/content_filter|content_policy|ResponsibleAIPolicyViolation/i.test(words)) return 'content-policy';
  if (/context_length_exceeded/i.test(words) || /maximum context length|context window/i.test(message)) {
    return 'context-length';
  }
  // Roles, networks and blocked resources: the client cannot fix these.
  if (status === 403) return 'auth';
  return undefined;
}

function withAdvice(message: string, code: string | undefined, status: number, { model }: Target): string {
  if (status !== 404) return message;
  const vendorMessage = /[.!?]$/.test(message) ? message : `${message}.`;
  if (code !== undefined && /DeploymentNotFound|model_not_found|unknown_model/i.test(code)) {
    return `${vendorMessage} A target's model must be the name of a deployment; no deployment is named "${model}".`;
  }
  return code === undefined ? `${vendorMessage} Check the provider's base_url and api_version.` : message;
}

/** Reads the retry delay in seconds from the message, for API versions that do not send it in headers. */
function retryAfter({ status, headers }: BufferedResponse, message: string): number | undefined {
  if (status !== 429 || headers.get('retry-after-ms') || headers.get('retry-after')) return undefined;
  const seconds = /retry after (\d+) seconds?/i.exec(message)?.[1];
  return seconds === undefined ? undefined : Number(seconds);
}
