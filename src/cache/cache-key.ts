import type { ChatRequest } from '../core/chat/request.ts';
import type { ChatCall, EmbeddingCall, InferenceCall } from '../core/inference.ts';
import { sha256Hex } from '../platform/hash.ts';
import { canonicalJson } from './canonical-json.ts';

/** What a key depends on beside the request's body. */
export interface KeyScope {
  readonly tenant: string;
  readonly namespace: string;
  /** Names the model with its targets and all else that decides where the request may go, as JSON text. */
  readonly route: string;
}

/** Members of bodies that say how the response is sent, not what it says; and the model, which `KeyScope.route` names. */
const TRANSPORT: ReadonlySet<string> = new Set(['model', 'stream', 'stream_options']);

/**
 * Members that every dialect converts without loss, in its own names. A request with others has a key of its own dialect.
 */
const PORTABLE: ReadonlySet<string> = new Set([
  ...['model', 'stream', 'stream_options', 'messages', 'input', 'prompt', 'system', 'instructions'],
  ...['max_tokens', 'max_completion_tokens', 'max_output_tokens'],
  ...['temperature', 'top_p', 'stop', 'stop_sequences'],
]);

/**
 * The key of a request: the same for requests that must have the same response, whatever the order of their members, and for
 * chats in dialects that say the same. A member that this gateway does not know is a part of the key.
 * @param isDecodable whether responses of a dialect can be converted to others
 */
export function exactKey(
  call: Exclude<InferenceCall, EmbeddingCall>,
  { tenant, namespace, route }: KeyScope,
): string {
  const portable = call.operation === 'chat' ? portableForm(call) : undefined;
  const form =
    portable ??
    // Its responses may repeat the model's name as this client sent it. Legacy completions are not converted to streams.
    `${JSON.stringify([dialectOf(call), call.model, call.operation === 'completion' && call.stream])}${canonicalJson(call.body, TRANSPORT)}`;
  const owner = `${ownerText(tenant, namespace)}${call.operation}${portable === undefined ? ' own ' : ' any '}`;
  return sha256Hex(`exact 1${owner}${route}${form}`);
}

/** Texts with their lengths: two owners never have the same. Half the cost of JSON. */
function ownerText(tenant: string, namespace: string): string {
  return `${tenant.length} ${tenant}${namespace.length} ${namespace}`;
}

function dialectOf(call: InferenceCall): string {
  return call.operation === 'chat' || call.operation === 'completion' ? call.dialect.name : call.operation;
}

/** Members of a canonical request that `PORTABLE` members become. */
const PORTABLE_CANONICAL: ReadonlySet<string> = new Set([
  ...['messages', 'maxOutputTokens', 'temperature', 'topP', 'stopSequences'],
]);

/** @returns the canonical request as text; undefined where it may lack something that the body says */
function portableForm(call: ChatCall): string | undefined {
  for (const name in call.body) if (!PORTABLE.has(name)) return undefined;
  let request: ChatRequest;
  try {
    request = call.chat();
  } catch {
    // A target of the same format may accept it.
    return undefined;
  }
  for (const name in request) if (!PORTABLE_CANONICAL.has(name)) return undefined;
  if ((call.dialect.unreadMembers?.(call.body).length ?? 0) > 0) return undefined;
  const { messages, maxOutputTokens, temperature, topP, stopSequences } = request;
  // Dialects write the members of a message in one order, whatever the client's: sorting them would cost twice as much.
  return JSON.stringify([messages, maxOutputTokens, temperature, topP, stopSequences]);
}

/** What else the bytes of a response depend on: the form in which the client wants it. */
export function variantOf(call: InferenceCall): string {
  if (call.operation !== 'chat' && call.operation !== 'completion') return '';
  const { stream_options: options } = call.body;
  const isPlainText = call.headers.get('accept')?.includes('text/plain') ?? false;
  return `${options === undefined || options === null ? '' : canonicalJson(options)}${isPlainText ? ' text' : ''}`;
}

/** Members of embedding requests that do not change the vectors. */
const NOT_IN_VECTORS: ReadonlySet<string> = new Set(['model', 'input', 'encoding_format', 'user', 'stream']);

/** @returns the keys of the inputs of an embedding request, in their order */
export function embeddingKeys(
  call: EmbeddingCall,
  { tenant, namespace, route }: KeyScope,
): readonly string[] {
  const owner = ownerText(tenant, namespace);
  const common = `vector 1${owner}${route}${canonicalJson(call.body, NOT_IN_VECTORS)}`;
  return call.embedding.inputs.map((input) => sha256Hex(common + JSON.stringify(input)));
}
