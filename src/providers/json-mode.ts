import { isRecord, type JsonObject } from '../core/json.ts';
import type { Warn } from '../core/warning.ts';
import { changed } from './limited-values.ts';

/**
 * Says in the prompt what a vendor does not take as a parameter.
 * @param schema undefined for any JSON object
 * @param besideTools the model may call a tool instead
 */
export function schemaInstruction(schema: unknown, besideTools = false): string {
  const conforming =
    schema === undefined ? '' : ` It conforms to this JSON schema: ${JSON.stringify(schema)}`;
  const opening = besideTools ? 'Unless you call a tool, respond' : 'Respond';
  return `${opening} with one JSON object and nothing else.${conforming}`;
}

/** Warns that a schema is sent as an instruction. */
export function warnOfSchema(warn: Warn): void {
  const message = 'The target takes no JSON schema; JSON was requested, with the schema as an instruction.';
  changed('response_format', message, warn);
}

/** @returns the schema of a response format; undefined for other formats */
export function schemaOf(format: unknown): JsonObject | undefined {
  if (!isRecord(format) || format.type !== 'json_schema' || !isRecord(format.json_schema)) return undefined;
  return isRecord(format.json_schema.schema) ? format.json_schema.schema : undefined;
}

/** Adds an instruction to the system message at the beginning, or a system message with it. */
export function withInstruction(messages: readonly unknown[], text: string): readonly unknown[] {
  const [first, ...rest] = messages;
  if (isRecord(first) && first.role === 'system' && typeof first.content === 'string') {
    return [{ ...first, content: `${first.content}\n\n${text}` }, ...rest];
  }
  return [{ role: 'system', content: text }, ...messages];
}

/** Whether a choice of tools forces the model to call one. */
export function forcesTool(choice: unknown): boolean {
  return choice === 'required' || choice === 'any' || isRecord(choice);
}

/** Messages about a forced choice of tools at models that reject it while they reason. */
export const FORCED_TOOLS = {
  reasoning: 'A reasoning model cannot be forced to call a tool; "tool_choice" was changed to "auto".',
  choice: 'The model can be forced to call a tool only without reasoning, which was turned off.',
} as const;
