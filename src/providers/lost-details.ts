import type { AssistantPart, ChatRequest, ResponseFormat, UserPart } from '../core/chat/request.ts';
import type { JsonObject } from '../core/json.ts';
import type { Warn } from '../core/warning.ts';

/** Details of messages and parts that some formats lack. */
export type Detail = 'name' | 'detail';

/**
 * Warns of details of messages that a format cannot express.
 * @param lacking details that the format lacks
 * @param subject the noun that the warnings begin with
 */
export function warnOfLostDetails(
  { messages }: ChatRequest,
  lacking: readonly Detail[],
  warn: Warn,
  subject = 'The target',
): void {
  const lost = (param: string, what: string) => {
    warn({ kind: 'unsupported', param, message: `${subject} does not support ${what}.` });
  };
  const part = (one: UserPart | AssistantPart, path: string) => {
    if (one.type === 'image' && lacking.includes('detail') && (one.detail ?? 'auto') !== 'auto') {
      lost(`${path}.detail`, 'the "detail" of an image');
    }
  };
  for (const [index, message] of messages.entries()) {
    const path = `messages[${index}]`;
    if ('name' in message && message.name !== undefined && lacking.includes('name')) {
      lost(`${path}.name`, 'the "name" of a message');
    }
    for (const [at, one] of message.content.entries()) {
      if (one.type !== 'tool-result') part(one, `${path}.content[${at}]`);
      else
        for (const [inner, two] of one.content.entries())
          part(two, `${path}.content[${at}].content[${inner}]`);
    }
  }
}

/** Warns of a request to hide the reasoning, for formats that always show it. */
export function warnOfShownReasoning(
  { reasoning }: Pick<ChatRequest, 'reasoning'>,
  warn: Warn,
  subject = 'The target',
): void {
  if (reasoning?.summary !== 'none') return;
  const message = `${subject} cannot hide its reasoning; the response may contain it.`;
  warn({ kind: 'unsupported', param: 'thinking.display', message });
}

/** @returns the schema of a response, with the description of the format where it has none of its own */
export function describedSchema({
  schema,
  description,
}: Extract<ResponseFormat, { readonly type: 'json-schema' }>): JsonObject {
  return description === undefined || schema.description !== undefined ? schema : { ...schema, description };
}
