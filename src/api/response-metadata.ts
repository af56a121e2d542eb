import type { HeaderReader } from '../core/http.ts';
import { isRecord, parseJsonText } from '../core/json.ts';

/** Facts of a response that its body may carry. */
export interface ResponseMetadata {
  /** Milliseconds from the request's arrival. */
  readonly latencyMs: number;
  /** The upstream model that responded; undefined where an interceptor did. */
  readonly model: string | undefined;
  /** US dollars as an exact decimal; undefined where no price is known. */
  readonly cost: string | undefined;
  /** No upstream made it for this request. */
  readonly isCached: boolean;
}

/** Whether the client asks for `metadata` in the body. */
export function wantsMetadata(headers: HeaderReader): boolean {
  const value = headers.get('x-weir-metadata');
  return value === '1' || value === 'true';
}

/**
 * Adds `metadata` to a JSON body.
 * @returns the text as it is where it is no JSON object, or has a `metadata` of its own, as OpenAI's Responses have
 */
export function withMetadata(text: string, { latencyMs, model, cost, isCached }: ResponseMetadata): string {
  const body = parseJsonText(text);
  if (!isRecord(body) || Object.hasOwn(body, 'metadata')) return text;
  const end = text.lastIndexOf('}');
  const comma = Object.keys(body).length === 0 ? '' : ',';
  // The decimal goes into the text as it is: as a number of JavaScript it would lose digits.
  const metadata = `{"latency_ms":${latencyMs},"model":${JSON.stringify(model ?? null)},"cost_usd":${cost ?? 'null'}${isCached ? ',"cached":true' : ''}}`;
  return `${text.slice(0, end)}${comma}"metadata":${metadata}${text.slice(end)}`;
}
