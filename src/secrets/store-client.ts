import { GatewayError } from '../core/errors.ts';
import { isRecord } from '../core/json.ts';
import type { Transport, UpstreamRequest } from '../core/transport.ts';
import { callBuffered } from '../providers/buffered-call.ts';
import { cleanReason, meaningful, plainReason, readJsonBody } from '../providers/upstream-error.ts';
import { SecretError } from './secret-store.ts';

/** Bytes of one response. A secret of Kubernetes has up to 1 MiB, and is encoded in base64. */
const MAX_RESPONSE = 2 * 1024 * 1024;

export interface StoreResponse {
  readonly status: number;
  readonly json: Readonly<Record<string, unknown>>;
  /** What the server said, for errors: without the credentials that were sent. Not for successful responses. */
  readonly reason: string;
}

/** Sends requests to secret stores. */
export class StoreClient {
  constructor(
    private readonly transport: Transport,
    private readonly timeoutMs: number,
  ) {}

  /**
   * Sends a request and reads the JSON object of its response, whatever the status.
   * @param credentials are redacted from what the server said
   * @throws SecretError when there is no complete response in time
   */
  async send(
    request: UpstreamRequest,
    credentials: readonly (string | undefined)[],
    signal?: AbortSignal,
  ): Promise<StoreResponse> {
    const { host } = new URL(request.url);
    const headers = { accept: 'application/json', 'accept-encoding': 'identity', ...request.headers };
    const response = await callBuffered(
      this.transport,
      { ...request, headers },
      { timeoutMs: this.timeoutMs, maxBytes: MAX_RESPONSE },
      (what, cause) => new SecretError(`${host} ${what}`, true, { cause }),
      signal,
    );
    const { text, json } = readJsonBody(response);
    const members = isRecord(json) ? json : {};
    const { status } = response;
    const said = status < 300 ? '' : (messageOf(members) ?? plainReason(response, text));
    return { status, json: members, reason: cleanReason(said, credentials, 300).replace(/\s+/g, ' ') };
  }
}

/** The message of an error: each store has it at another place. */
function messageOf(json: Readonly<Record<string, unknown>>): string | undefined {
  const { error, errors, message, Message: capital, error_description: description } = json;
  if (Array.isArray(errors)) return errors.length === 0 ? undefined : errors.map(String).join('; ');
  if (isRecord(error)) return meaningful(error.message);
  const type = meaningful(json.__type)?.split('#').at(-1);
  const said = meaningful(description) ?? meaningful(message) ?? meaningful(capital) ?? meaningful(error);
  return type === undefined ? said : [type, said].filter((part) => part !== undefined).join(': ');
}

/** @returns the error for a response that is not successful: busy and broken stores are asked again */
export function refusal(request: { readonly url: string }, { status, reason }: StoreResponse): SecretError {
  const { host } = new URL(request.url);
  const retryable = status === 408 || status === 429 || status >= 500;
  return new SecretError(`${host} responded with HTTP ${status}: ${reason}`, retryable);
}

/** Runs a sign-in, whose errors are those of providers. */
export async function signIn<T>(work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof SecretError) throw cause;
    if (cause instanceof GatewayError && cause.cause instanceof SecretError) throw cause.cause;
    const retryable = cause instanceof GatewayError && cause.code !== 'upstream_auth_failed';
    throw new SecretError(cause instanceof Error ? cause.message : String(cause), retryable, { cause });
  }
}
