import { describe, expect, test } from 'bun:test';
import type { ClientDialect } from '../core/chat/dialect.ts';
import type { JsonObject } from '../core/json.ts';
import { anthropicMessagesDialect } from './anthropic/dialect.ts';
import { promptDialect } from './native/prompt-dialect.ts';
import { openAiChatDialect } from './openai/chat/dialect.ts';
import { openAiCompletionsDialect } from './openai/completions/dialect.ts';
import { responsesDialect } from './openai/responses/dialect.ts';

const user = (content: unknown) => ({ role: 'user', content });
const seen = (dialect: ClientDialect, body: JsonObject) => {
  const view = dialect.requestView(body);
  return {
    limit: view.outputLimit,
    key: view.affinityKey,
    tools: view.hasTools,
    images: view.hasImages(),
    parts: view.promptParts(),
  };
};

describe('the view of a request', () => {
  test('of OpenAI chat completions', () => {
    const body = {
      messages: [user([{ type: 'image_url', image_url: { url: 'x' } }]), user('b')],
      tools: [{ type: 'function' }],
      max_tokens: 5,
      max_completion_tokens: 7,
      user: 'u',
      prompt_cache_key: 'k',
    };
    const image = '[{"type":"image_url","image_url":{"url":"x"}}]';
    expect(seen(openAiChatDialect, body)).toEqual({
      limit: 7,
      key: 'k',
      tools: true,
      images: true,
      parts: ['[{"type":"function"}]', `user\n${image}`, 'user\nb'],
    });
    expect(openAiChatDialect.requestView({ messages: [], max_tokens: 5 }).outputLimit).toBe(5);
  });

  test('of Anthropic messages; images also in the results of tools', () => {
    const result = { type: 'tool_result', tool_use_id: 't', content: [{ type: 'image', source: {} }] };
    const body = { system: 's', messages: [user([result])], max_tokens: 9, metadata: { user_id: 'u' } };
    expect(seen(anthropicMessagesDialect, body)).toMatchObject({
      limit: 9,
      key: 'u',
      tools: false,
      images: true,
      parts: ['s', expect.stringContaining('tool_result')],
    });
  });

  test('of OpenAI responses; images also in the output of functions', () => {
    const output = { type: 'function_call_output', output: [{ type: 'input_image', image_url: 'x' }] };
    const body = { input: [user('a'), output], instructions: 'i', max_output_tokens: 3, tools: [{}] };
    expect(seen(responsesDialect(), body)).toMatchObject({
      limit: 3,
      key: undefined,
      tools: true,
      images: true,
      parts: ['[{}]', 'i', 'user\na', expect.stringContaining('function_call_output')],
    });
    expect(responsesDialect().requestView({ input: 'hello' }).promptParts()).toEqual(['hello']);
  });

  test('of prompts', () => {
    expect(seen(openAiCompletionsDialect, { prompt: ['a', 'b'], max_tokens: 2 })).toMatchObject({
      limit: 2,
      parts: ['a', 'b'],
    });
    expect(seen(promptDialect(false), { prompt: 'p', system: 's', user: 'u' })).toMatchObject({
      key: 'u',
      parts: ['s', 'p'],
    });
  });

  test('the mention of an image is no image', () => {
    const schema = { properties: { type: 'image_url' }, type: 'image_url' };
    const body = { messages: [user('{"type":"image_url"}')], tools: [{ function: { parameters: schema } }] };
    expect(openAiChatDialect.requestView(body).hasImages()).toBe(false);
  });

  test('deep nesting is not followed', () => {
    let content: unknown = [{ type: 'image' }];
    for (let depth = 0; depth < 50_000; depth += 1) content = [{ content }];
    expect(anthropicMessagesDialect.requestView({ messages: [user(content)] }).hasImages()).toBe(false);
  });

  test('the start of a conversation is the same after further messages', () => {
    const first = { instructions: 'i', input: [user('a')] };
    const later = { instructions: 'i', input: [user('a'), { role: 'assistant', content: 'b' }, user('c')] };
    const start = (body: JsonObject) => responsesDialect().requestView(body).conversationStart();
    expect(start(later)).toBe(start(first));
    expect(start({ input: [] })).toBeUndefined();
  });
});

describe('the view of a response', () => {
  const view = (dialect: ClientDialect, body: JsonObject) => dialect.responseView?.(body);

  test('of OpenAI chat completions and legacy completions', () => {
    const logprobs = { content: [{ token: 'a', logprob: -0.5 }, { token: 'b' }] };
    const message = { role: 'assistant', content: [{ type: 'text', text: 'a' }, { text: 'b' }] };
    expect(view(openAiChatDialect, { choices: [{ message, logprobs, finish_reason: 'stop' }] })).toEqual({
      text: 'ab',
      refused: false,
      callsTools: false,
      logprobs: [-0.5],
    });
    const refusal = { message: { content: null, refusal: 'no', tool_calls: [{}] } };
    expect(view(openAiChatDialect, { choices: [refusal] })).toMatchObject({
      text: '',
      refused: true,
      callsTools: true,
    });
    expect(view(openAiCompletionsDialect, { choices: [{ text: 't' }] })).toMatchObject({ text: 't' });
    expect(view(openAiChatDialect, { choices: [] })).toBeUndefined();
  });

  test('of Anthropic messages', () => {
    const content = [{ type: 'text', text: 'a' }, { type: 'tool_use' }];
    expect(view(anthropicMessagesDialect, { type: 'message', content, stop_reason: 'refusal' })).toEqual({
      text: 'a',
      refused: true,
      callsTools: true,
      logprobs: [],
    });
    expect(view(anthropicMessagesDialect, { type: 'error' })).toBeUndefined();
  });

  test('of OpenAI responses', () => {
    const message = { type: 'message', content: [{ type: 'output_text', text: 'a' }, { type: 'refusal' }] };
    expect(view(responsesDialect(), { output: [message, { type: 'function_call' }] })).toEqual({
      text: 'a',
      refused: true,
      callsTools: true,
      logprobs: [],
    });
    expect(view(responsesDialect(), {})).toBeUndefined();
  });

  test('log probabilities are requested once and removed again', () => {
    const { edit, withoutLogprobs } = openAiChatDialect;
    const change = { type: 'request-logprobs' } as const;
    expect(edit?.('{"model": "m"}', { model: 'm' }, change)).toBe('{"logprobs":true,"model": "m"}');
    expect(edit?.('{"logprobs":true}', { logprobs: true }, change)).toBeUndefined();
    const removed = withoutLogprobs?.({ id: 'x', choices: [{ index: 0, logprobs: { content: [] } }] });
    expect(removed).toEqual({ id: 'x', choices: [{ index: 0, logprobs: null }] });
  });
});
