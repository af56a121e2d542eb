import type { Message, SystemMessage, ToolResultPart, UserPart } from '../../core/chat/request.ts';
import { assistantPart, blocksOf, textPart, toolResultPart, userPart } from './blocks.ts';
import { invalid, requiredObject } from './fields.ts';

/** The system prompt, which is separate from the messages in this dialect. */
export function readSystem(system: unknown): SystemMessage[] {
  if (system === undefined || system === null || system === '') return [];
  const content = blocksOf(system, 'system').map(({ block, param }) => {
    if (block.type !== 'text') throw invalid(`${param}.type`, '"text" is expected');
    return textPart(block, param);
  });
  return content.length === 0 ? [] : [{ role: 'system', content }];
}

/** The conversation. Results of tools are turns of their own in the canonical form, in the order of the blocks. */
export function readMessages(messages: readonly unknown[]): Message[] {
  return messages.flatMap((value, index): Message[] => {
    const param = `messages.${index}`;
    const message = requiredObject(value, param);
    switch (message.role) {
      case 'assistant':
        return [
          {
            role: 'assistant',
            content: blocksOf(message.content, `${param}.content`).map((inner) =>
              assistantPart(inner.block, inner.param),
            ),
          },
        ];
      case 'user':
        return userTurn(message.content, `${param}.content`);
      case 'system':
        return [
          {
            role: 'system',
            content: blocksOf(message.content, `${param}.content`).map(({ block, param: path }) =>
              block.type === 'text'
                ? textPart(block, path)
                : { type: 'unknown', dialect: 'anthropic-messages', value: block },
            ),
          },
        ];
      default:
        throw invalid(`${param}.role`, '"user" or "assistant" is expected');
    }
  });
}

function userTurn(content: unknown, param: string): Message[] {
  const turns: ({ role: 'user'; content: UserPart[] } | { role: 'tool'; content: ToolResultPart[] })[] = [];
  for (const { block, param: path } of blocksOf(content, param)) {
    const last = turns.at(-1);
    if (block.type === 'tool_result') {
      const result = toolResultPart(block, path);
      if (last?.role === 'tool') last.content.push(result);
      else turns.push({ role: 'tool', content: [result] });
    } else {
      const part = userPart(block, path);
      if (last?.role === 'user') last.content.push(part);
      else turns.push({ role: 'user', content: [part] });
    }
  }
  return turns.length === 0 ? [{ role: 'user', content: [] }] : turns;
}
