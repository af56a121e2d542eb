import { fromJSONSchema } from 'zod';
import type { ResponseFormat } from '../../core/chat/request.ts';
import type { ResponseView } from '../../core/chat/response-view.ts';
import { isRecord, parseJsonText } from '../../core/json.ts';
import type { EscalationReason, EscalationSettings } from '../../routing/directory.ts';

/** How models begin that refuse in words. Only the beginning counts: an answer may well speak of refusals. */
const REFUSAL =
  /^\W*(?:i(?:['’]m| am) (?:really |so |very )?sorry,? (?:but )?(?:i|as an)\b.{0,20}(?:can(?:['’]t|not)|unable|won['’]t)|(?:sorry,? (?:but )?)?i (?:can(?:['’]t|not)|am (?:not able|unable)|won['’]t) (?:be able to |to )?(?:help|assist|comply|provide|fulfil|answer|do that|support|engage|create|write|generate)|as an ai(?: language model)?,? i (?:can(?:['’]t|not)|am (?:not able|unable)))/i;

/** @returns why a response is not good enough; undefined where no check fails */
export function responseFault(
  { text, refused, callsTools, logprobs }: ResponseView,
  format: ResponseFormat | undefined,
  { when, minConfidence }: EscalationSettings,
): EscalationReason | undefined {
  if (when.includes('refusal') && (refused || REFUSAL.test(text.slice(0, 200)))) return 'refusal';
  if (when.includes('schema') && !callsTools && !fits(text, format)) return 'schema';
  if (when.includes('low_confidence') && logprobs.length > 0) {
    const mean = logprobs.reduce((sum, value) => sum + value, 0) / logprobs.length;
    if (Math.exp(mean) < minConfidence) return 'low_confidence';
  }
  return undefined;
}

function fits(text: string, format: ResponseFormat | undefined): boolean {
  if (!format || format.type === 'text') return true;
  const value = parseJsonText(text);
  if (value === undefined) return false;
  if (format.type === 'json') return isRecord(value);
  const schema = schemaOf(format.schema);
  return schema === undefined || schema.safeParse(value).success;
}

type Schema = Parameters<typeof fromJSONSchema>[0];

function schemaOf(schema: unknown): ReturnType<typeof fromJSONSchema> | undefined {
  if (!isSchema(schema)) return undefined;
  try {
    return fromJSONSchema(schema);
  } catch {
    // It says something that can't be checked here: the provider has taken it, so it is no fault of the answer.
    return undefined;
  }
}

function isSchema(schema: unknown): schema is Schema {
  return typeof schema === 'boolean' || isRecord(schema);
}
