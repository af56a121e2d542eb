import { describe, expect, test } from 'bun:test';
import { chatRequest } from '../schemas.ts';
import { openAiChatDialect } from './dialect.ts';

const messages = [{ role: 'user', content: 'Hi' }];
const definition = { name: 'day', parameters: { type: 'object' } };

describe('tools without a type', () => {
  test.each([{ function: definition }, { type: null, function: definition }])('are functions: %j', (tool) => {
    const body = { model: 'm', messages, tools: [tool] };
    expect(chatRequest.safeParse(body).success).toBe(true);
    expect(openAiChatDialect.toChat(body).tools).toEqual([{ type: 'function', ...definition }]);
  });

  test.each([{}, { name: 'day' }, { type: 1 }])('are rejected without a function: %j', (tool) => {
    const { error } = chatRequest.safeParse({ model: 'm', messages, tools: [tool] });
    expect(error?.issues[0]?.path).toEqual(['tools', 0, 'type']);
  });
});

describe('parameters under the names of other vendors', () => {
  const schema = { type: 'object' };
  test.each([
    { type: 'json_object', schema },
    { type: 'json_object', json_schema: schema },
    { type: 'json_object', json_schema: { schema } },
  ])('are a schema of the response: %j', (format) => {
    const { responseFormat } = openAiChatDialect.toChat({ messages, response_format: format });
    expect(responseFormat).toEqual({ type: 'json-schema', schema });
  });

  test.each(['budget_tokens', 'token_budget'])('are a budget for reasoning: %s', (name) => {
    const { reasoning } = openAiChatDialect.toChat({
      messages,
      thinking: { type: 'enabled', [name]: 2_000 },
    });
    expect(reasoning).toEqual({ budgetTokens: 2_000, enabled: true });
  });
});
