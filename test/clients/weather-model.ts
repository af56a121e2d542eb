import { isRecord, listOf } from '../../src/core/json.ts';
import type { Conversation, ModelOutput } from '../support/scripted-model/conversation.ts';

/** The texts that the checks in `js/check.ts` and `python/check.py` expect. */
const TEXT = 'Hello from the model.';
const TOOL_TEXT = 'It is 21 degrees in Paris.';
const VALUES: Readonly<Record<string, unknown>> = {
  string: 'Paris',
  number: 21,
  integer: 21,
  boolean: true,
  null: null,
};

/** @returns a value that satisfies a JSON schema of objects, lists and plain types */
export function valueFor(schema: unknown, root: unknown = schema): unknown {
  if (!isRecord(schema)) return 'Paris';
  if (typeof schema.$ref === 'string') {
    const path = schema.$ref.split('/').slice(1);
    return valueFor(
      path.reduce<unknown>((at, key) => (isRecord(at) ? at[key] : undefined), root),
      root,
    );
  }
  const [alternative] = listOf(schema.anyOf ?? schema.oneOf ?? schema.allOf);
  if (alternative !== undefined) return valueFor(alternative, root);
  const [allowed] = listOf(schema.enum);
  if (allowed !== undefined) return allowed;
  if ('const' in schema) return schema.const;
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  if (type === 'array') return [valueFor(schema.items, root)];
  if (type !== 'object' && !isRecord(schema.properties)) return VALUES[String(type)] ?? 'Paris';
  const properties = isRecord(schema.properties) ? schema.properties : {};
  return Object.fromEntries(
    Object.entries(properties).map(([name, member]) => [name, valueFor(member, root)]),
  );
}

/** A model that calls the tool "weather" once, fills in schemas, and says one sentence otherwise. */
export function weatherModel(conversation: Conversation): ModelOutput {
  const { tools, schema, results, requiredTool } = conversation;
  const callOf = (name: string): ModelOutput => {
    const value = valueFor(tools.find((tool) => tool.name === name)?.schema);
    return { calls: [{ name, arguments: isRecord(value) ? value : {} }] };
  };
  if (schema !== undefined) return { text: JSON.stringify(valueFor(schema)) };
  if (requiredTool !== undefined) return callOf(requiredTool);
  if (tools.length === 0) return { text: TEXT };
  if (results.length === 0) return callOf(tools[0]?.name ?? '');
  return { text: TOOL_TEXT };
}
