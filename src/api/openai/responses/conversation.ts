import { GatewayError } from '../../../core/errors.ts';
import { isRecord, records } from '../../../core/json.ts';
import { editMembers } from '../../../core/json-edit.ts';
import type { JsonBody } from '../../../http/body.ts';
import type { StoredResponse } from '../../../storage/response-store.ts';
import { forwardableItems } from './forwardable-items.ts';

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

/**
 * Puts the stored conversation before the input of a request.
 * @param input the request's input for targets that have to be translated to
 * @param body the request for targets that speak this API
 */
export function continueFrom(
  stored: StoredResponse,
  input: readonly Item[],
  body: JsonBody,
): ContinuedConversation {
  const earlier = [...stored.input, ...records(stored.response.output)];
  const items = [...earlier, ...input];
  if (stored.native) return { items, passthrough: body };
  const told = forwardableItems([...earlier, ...inputItems(body.json.input)]);
  const text = editMembers(body.text, { previous_response_id: null, input: JSON.stringify(told) });
  const { previous_response_id: _, ...rest } = body.json;
  return { items, passthrough: { text, json: { ...rest, input: told } } };
}
