import { GatewayError } from '../../../core/errors.ts';
import { asString, isRecord } from '../../../core/json.ts';
import { editMembers } from '../../../core/json-edit.ts';
import type { JsonBody } from '../../../http/body.ts';
import type { StoredResponse } from '../../../storage/response-store.ts';

type Item = Readonly<Record<string, unknown>>;

/** The items of a request's own input. */
export function inputItems(input: unknown): Item[] {
  if (typeof input === 'string') return [{ type: 'message', role: 'user', content: input }];
  return Array.isArray(input) ? input.filter(isRecord) : [];
}

export function previousNotFound(id: string): GatewayError {
  return new GatewayError('invalid_request', `Previous response with id '${id.slice(0, 200)}' not found.`, {
    param: 'previous_response_id',
    shownCode: 'previous_response_not_found',
  });
}

/** A request together with the whole conversation before it. */
export interface ContinuedConversation {
  /** For targets that have to be translated to: everything as items. */
  readonly items: readonly Item[];
  /** For targets that speak this API: as it came if they know the response before, else everything as items. */
  readonly passthrough: JsonBody;
}

export function continueFrom(stored: StoredResponse, body: JsonBody): ContinuedConversation {
  const output = Array.isArray(stored.response.output) ? stored.response.output.filter(isRecord) : [];
  const items = [...stored.input, ...output, ...inputItems(body.json.input)];
  if (stored.native) return { items, passthrough: body };
  const told = items.flatMap(withoutId);
  const text = editMembers(body.text, { previous_response_id: null, input: JSON.stringify(told) });
  const { previous_response_id: _, ...rest } = body.json;
  return { items, passthrough: { text, json: { ...rest, input: told } } };
}

/** Ids of this gateway mean nothing to an upstream, and neither does reasoning that it has not encrypted itself. */
function withoutId({ id: _, ...item }: Item): Item[] {
  if (item.type !== 'reasoning') return [item];
  const encrypted = asString(item.encrypted_content);
  return encrypted === undefined || encrypted.startsWith('weir:') ? [] : [{ ...item, id: _ }];
}
