import { describe, expect, test } from 'bun:test';
import { testContext, testEmbeddingCall } from '../../test/support/inference.ts';
import { send, TARGETS, user, vendorTarget } from '../../test/support/vendor-targets.ts';
import { anthropicMessagesDialect } from '../api/anthropic/dialect.ts';
import { responsesDialect } from '../api/openai/responses/dialect.ts';
import type { Warning } from '../core/warning.ts';
import { anthropicAdapter } from './anthropic/index.ts';
import { FAMILIES } from './families.ts';
import { createOpenAiAdapter } from './openai-compatible/adapter.ts';
import { VENDORS } from './openai-compatible/vendors.ts';

/** Bodies whose dialect is the target's format: all but what the target rejects arrives as it was sent. */

describe('a forwarded Messages request', () => {
  const claude = (model: string) => vendorTarget(anthropicAdapter, model, FAMILIES.anthropic?.profile);
  const forward = (model: string, given: object) =>
    send(claude(model), { max_tokens: 2_000, ...given }, anthropicMessagesDialect);

  test('keeps its text where the target accepts everything', () => {
    const given = { temperature: 0.5, thinking: { type: 'disabled' }, messages: [user] };
    const { up, warnings } = forward('claude-sonnet-4-5', given);
    expect(up).toEqual({ model: 'claude-sonnet-4-5', max_tokens: 2_000, ...given });
    expect(warnings).toEqual([]);
  });

  test.each([
    ['claude-opus-4-8', { temperature: 0.2, top_p: 0.9, top_k: 5 }, ['temperature', 'top_p', 'top_k']],
    ['claude-opus-4-8', { temperature: 1, top_p: 1 }, []],
    ['claude-sonnet-4-5', { temperature: 0.2, top_p: 0.9 }, ['top_p']],
    ['claude-sonnet-4', { temperature: 0.2, top_p: 0.9 }, []],
    [
      'claude-sonnet-4',
      { temperature: 0.2, thinking: { type: 'enabled', budget_tokens: 1_024 } },
      ['temperature'],
    ],
  ])('to %s with %j loses what the model rejects: %j', (model, given, params) => {
    const forwarded = forward(model, given);
    expect(forwarded.params).toEqual(params);
    for (const name of params) expect(forwarded.up).not.toHaveProperty(name);
    const kept = Object.keys(given).filter((name) => !params.some((one) => one === name));
    if (model !== 'claude-opus-4-8') expect(Object.keys(forwarded.up)).toEqual(expect.arrayContaining(kept));
  });

  test('gets a hash of an id of the end user that is too long', () => {
    const metadata = { user_id: 'u'.repeat(300), other: 1 };
    const { up, params } = forward('claude-sonnet-4', { metadata });
    expect(up.metadata).toEqual({ user_id: expect.stringMatching(/^[0-9a-f]{64}$/), other: 1 });
    expect(params).toEqual(['metadata.user_id']);
  });

  test('with a temperature above 1 gets 1', () => {
    expect(forward('claude-sonnet-4', { temperature: 1.4 })).toMatchObject({
      up: { temperature: 1 },
      params: ['temperature'],
    });
  });

  const effort = { output_config: { effort: 'high', format: { type: 'json_schema', schema: {} } } };
  test('with settings of newer models gets those of an older one', () => {
    const { up, params } = forward('claude-haiku-4-5', { thinking: { type: 'adaptive' }, ...effort });
    expect(up.thinking).toEqual({ type: 'enabled', budget_tokens: 24_576 });
    expect(up.max_tokens).toBeGreaterThan(24_576);
    expect(up.output_config).toEqual({ format: effort.output_config.format });
    expect(params).toEqual(['max_tokens']);
    const plain = forward('claude-haiku-4-5', { output_config: { effort: 'high' } });
    expect(plain.up).not.toHaveProperty('output_config');
    expect(plain.params).toEqual(['output_config.effort']);
  });

  test('with settings of older models gets those of a newer one', () => {
    const thinking = { type: 'enabled', budget_tokens: 1_024 };
    const { up, params } = forward('claude-opus-4-8', { thinking });
    expect(up.thinking).toEqual({ type: 'adaptive' });
    expect(params).toEqual(['thinking.budget_tokens']);
    expect(forward('claude-sonnet-4-6', { thinking, ...effort })).toMatchObject({
      up: { thinking, ...effort },
      warnings: [],
    });
  });

  test('to an unknown model keeps all settings', () => {
    const given = { temperature: 0.2, top_p: 0.5, thinking: { type: 'adaptive' }, ...effort };
    expect(forward('house-model', given)).toMatchObject({ up: given, warnings: [] });
  });

  test('that ends with the assistant is continued by models without prefill', () => {
    const messages = [user, { role: 'assistant', content: 'Mon' }];
    expect(forward('claude-opus-4-6', { messages })).toMatchObject({
      up: { messages: [...messages, { role: 'user' }] },
      params: ['messages[1]'],
    });
    expect(forward('claude-sonnet-4-5', { messages }).up.messages).toEqual(messages);
  });

  test('loses blank texts, and gets ids that the API accepts', () => {
    const blank = { type: 'text', text: '\n\n' };
    const call = (id: string) => ({ type: 'tool_use', id, name: 'f', input: {} });
    const result = (id: string) => ({ type: 'tool_result', tool_use_id: id, content: '3' });
    const messages = [
      user,
      { role: 'assistant', content: [blank, call('functions.f:0')] },
      { role: 'user', content: [result('functions.f:0')] },
      { role: 'assistant', content: [blank] },
      user,
    ];
    const { up, warnings } = forward('claude-sonnet-4-5', { messages });
    expect(up.messages).toEqual([
      user,
      { role: 'assistant', content: [call('functions_f_0')] },
      { role: 'user', content: [result('functions_f_0')] },
      user,
    ]);
    expect(warnings).toEqual([]);
  });
});

describe('a forwarded Responses request', () => {
  const adapter = createOpenAiAdapter({ api: 'chat', responses: true });
  const forward = (model: string, given: object) =>
    send(vendorTarget(adapter, model, VENDORS.openai), { input: 'Hi', ...given }, responsesDialect());

  test.each([
    ['gpt-5', { temperature: 0.2, top_p: 0.9 }, ['temperature', 'top_p']],
    ['gpt-5.2', { temperature: 0.2 }, []],
    ['gpt-5.2', { temperature: 0.2, reasoning: { effort: 'low' } }, ['temperature']],
    ['gpt-5', { temperature: 1, reasoning: { effort: 'low' } }, []],
    ['gpt-4.1', { temperature: 0.2, include: ['reasoning.encrypted_content'] }, ['include']],
    ['gpt-4.1', { reasoning: { effort: 'low' } }, ['reasoning.effort']],
    ['gpt-5', { reasoning: { effort: 'xhigh', summary: 'auto' } }, ['reasoning.effort']],
    ['my-deployment', { temperature: 0.2, include: ['reasoning.encrypted_content'] }, []],
  ])('to %s with %j loses what the model rejects: %j', (model, given, params) => {
    expect(forward(model, given).params).toEqual(params);
  });

  test('keeps what it may keep', () => {
    expect(forward('gpt-5', { reasoning: { effort: 'xhigh', summary: 'auto' } }).up.reasoning).toEqual({
      effort: 'high',
      summary: 'auto',
    });
    expect(forward('gpt-4.1', { reasoning: { effort: 'low' } }).up).not.toHaveProperty('reasoning');
    expect(forward('gpt-5', { temperature: 0.2 }).up).not.toHaveProperty('temperature');
  });

  test('gets shorter ids of calls and end users', () => {
    const id = `call_${'0'.repeat(80)}`;
    const input = [
      { type: 'function_call', call_id: id, name: 'f', arguments: '{}' },
      { type: 'function_call_output', call_id: id, output: '3' },
    ];
    const { up } = forward('gpt-4.1', { input, user: 'u'.repeat(100), safety_identifier: 's'.repeat(100) });
    expect(up.input[0].call_id.length).toBeLessThanOrEqual(64);
    expect(up.input[1].call_id).toBe(up.input[0].call_id);
    expect(up.user).toHaveLength(64);
    expect(up.safety_identifier).toHaveLength(64);
  });
});

test('an embedding request gets a shorter id of the end user', () => {
  const warnings: Warning[] = [];
  const call = testEmbeddingCall({ model: 'm', input: 'a', user: 'u'.repeat(100) });
  const context = testContext({ warn: (warning) => warnings.push(warning) });
  const { body } = TARGETS.openai.provider.adapter.buildRequest(call, TARGETS.openai, context);
  expect(JSON.parse(String(body)).user).toHaveLength(64);
  expect(warnings).toMatchObject([{ param: 'user' }]);
});
