import { isRecord, type JsonObject } from '../core/json.ts';
import { editMembers } from '../core/json-edit.ts';
import { LIMIT_NAMES, numberOf } from './request-demand.ts';

/**
 * Lowers every output limit in a body to at most `max`, and adds one where the dialect's own is absent.
 * @param own the dialect's names of the limit; the first one is added
 * @returns the edited text
 */
export function limitMembers(
  text: string,
  body: JsonObject,
  max: number,
  own: readonly [string, ...string[]],
): string {
  const changes: Record<string, string> = {};
  for (const name of LIMIT_NAMES) {
    const value = numberOf(body[name]);
    // Engines read a negative limit as none.
    if (value !== undefined && (value > max || value < 0)) changes[name] = String(max);
  }
  if (!own.some((name) => numberOf(body[name]) !== undefined)) changes[own[0]] = String(max);
  const { thinking } = body;
  const budget = isRecord(thinking) ? numberOf(thinking.budget_tokens) : undefined;
  // The vendor requires a budget below the limit.
  if (isRecord(thinking) && budget !== undefined && budget >= max) {
    changes.thinking = JSON.stringify({ ...thinking, budget_tokens: max - 1 });
  }
  return editMembers(text, changes);
}
