import type { FunctionTool } from '../../core/chat/request.ts';
import { asString, isRecord, type JsonObject } from '../../core/json.ts';

/** The argument that contains the free text. */
export const INPUT = 'input';

/** A free-text tool as a function with one text argument. The description contains the grammar, which nothing enforces. */
export function customAsFunction(tool: JsonObject, name: string): FunctionTool {
  const description = [asString(tool.description), grammarText(tool.format)].filter(Boolean).join('\n\n');
  return {
    type: 'function',
    name,
    ...(description === '' ? {} : { description }),
    parameters: {
      type: 'object',
      properties: {
        [INPUT]: { type: 'string', description: 'The complete input of the tool, as plain text.' },
      },
      required: [INPUT],
    },
  };
}

/** @param format in the form of either API */
function grammarText(format: unknown): string | undefined {
  if (!isRecord(format) || format.type !== 'grammar') return undefined;
  const { syntax, definition } = isRecord(format.grammar) ? format.grammar : format;
  if (typeof definition !== 'string') return undefined;
  return `"${INPUT}" must match this grammar${typeof syntax === 'string' ? ` (${syntax})` : ''}:\n\n${definition}`;
}
