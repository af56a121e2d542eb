import { GatewayError } from '../../../core/errors.ts';
import { isRecord, type JsonObject, records } from '../../../core/json.ts';
import { editMembers } from '../../../core/json-edit.ts';
import type { JsonBody } from '../../../http/body.ts';
import type { StoredOutput, StoredResponse } from '../../../storage/response-store.ts';
import { forwardableItems } from './forwardable-items.ts';
import { isReference } from './item-reference.ts';

/** References of one request. */
const MAX_REFERENCES = 1_000;
/** Ids that the list of a response's input items gives to items without one. */
const INPUT_ITEM = /^item_(.+)_(\d+)$/;

/** Where references are looked up: the stored responses of the caller's tenant. */
export interface ReferenceSource {
  readonly outputsOf: (itemIds: readonly string[]) => Promise<readonly StoredOutput[]>;
  readonly get: (responseId: string) => Promise<StoredResponse | undefined>;
}

/** The input of a request without references to items that are stored here. */
export interface ResolvedInput {
  /** For targets that have to be translated to. References that are not stored here remain. */
  readonly items: readonly JsonObject[];
  /** For targets that speak this API: references to what they have stored remain too. */
  readonly passthrough: JsonBody;
}

/**
 * Resolves references in the input of a request.
 * @returns undefined for a request without references
 * @throws GatewayError `invalid_request` for too many references
 */
export async function resolveReferences(
  body: JsonBody,
  source: ReferenceSource,
): Promise<ResolvedInput | undefined> {
  const { input } = body.json;
  if (!Array.isArray(input) || !input.some((item) => isRecord(item) && isReference(item))) return undefined;
  const items = input.filter(isRecord);
  const ids = [...new Set(items.filter(isReference).map(({ id }) => id))];
  if (ids.length > MAX_REFERENCES) {
    const message = `"input" has ${ids.length} references to items; at most ${MAX_REFERENCES} are supported.`;
    throw new GatewayError('invalid_request', message, { param: 'input' });
  }
  const stored = await storedItems(ids, source);
  const resolved = items.map((item) => (isReference(item) ? (stored.get(item.id)?.item ?? item) : item));
  const forwarded = items.flatMap((item) => {
    const found = isReference(item) ? stored.get(item.id) : undefined;
    return found === undefined || found.native ? [item] : forwardableItems([found.item]);
  });
  const text = editMembers(body.text, { input: JSON.stringify(forwarded) });
  return { items: resolved, passthrough: { text, json: { ...body.json, input: forwarded } } };
}

interface StoredItem {
  readonly item: JsonObject;
  /** The upstream has stored it too. */
  readonly native: boolean;
}

async function storedItems(
  ids: readonly string[],
  source: ReferenceSource,
): Promise<ReadonlyMap<string, StoredItem>> {
  const found = new Map<string, StoredItem>();
  for (const { response, native } of await source.outputsOf(ids)) {
    for (const item of records(response.output)) {
      if (typeof item.id === 'string') found.set(item.id, { item, native });
    }
  }
  const inputs = new Map<string, readonly JsonObject[]>();
  for (const id of ids) {
    const [, responseId, index] = (!found.has(id) && INPUT_ITEM.exec(id)) || [];
    if (responseId === undefined) continue;
    const known = inputs.get(responseId) ?? (await source.get(responseId))?.input ?? [];
    inputs.set(responseId, known);
    const item = known[Number(index)];
    // The upstream gives its input items other ids.
    if (item) found.set(id, { item, native: false });
  }
  return found;
}
