import { type CallChange, joinInstructions } from '../../../core/chat/call-change.ts';
import { isRecord, parseJsonText } from '../../../core/json.ts';
import { editFirstItem, editMembers } from '../../../core/json-edit.ts';
import { limitMembers } from '../../limit-members.ts';

/** Applies a change to the text of a chat completions request. @see ClientDialect.edit */
export function editChat(
  text: string,
  body: Readonly<Record<string, unknown>>,
  change: CallChange,
): string | undefined {
  switch (change.type) {
    case 'prepend-system':
      return editFirstItem(text, 'messages', (item) => prepend(item, change.text));
    case 'request-logprobs':
      return body.logprobs === true ? undefined : editMembers(text, { logprobs: 'true' });
    case 'limit-output':
      return limitMembers(text, body, change.max, ['max_tokens', 'max_completion_tokens']);
  }
}

/** Joins the instructions with the client's: several engines accept one system message only. */
function prepend(
  item: string | undefined,
  instructions: string,
): { readonly replace?: string; readonly before?: string } {
  const message = item === undefined ? undefined : parseJsonText(item);
  if (
    item !== undefined &&
    isRecord(message) &&
    (message.role === 'system' || message.role === 'developer')
  ) {
    const { content } = message;
    if (typeof content === 'string') {
      return {
        replace: editMembers(item, { content: JSON.stringify(joinInstructions(instructions, content)) }),
      };
    }
    if (Array.isArray(content)) {
      const part = JSON.stringify({ type: 'text', text: instructions });
      return { replace: editFirstItem(item, 'content', () => ({ before: part })) };
    }
  }
  return { before: JSON.stringify({ role: 'system', content: instructions }) };
}
