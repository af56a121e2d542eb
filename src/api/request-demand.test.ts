import { describe, expect, test } from 'bun:test';
import type { ClientDialect } from '../core/chat/dialect.ts';
import type { JsonObject } from '../core/json.ts';
import { anthropicMessagesDialect } from './anthropic/dialect.ts';
import { promptDialect } from './native/prompt-dialect.ts';
import { openAiChatDialect } from './openai/chat/dialect.ts';
import { openAiCompletionsDialect } from './openai/completions/dialect.ts';
import { responsesDialect } from './openai/responses/dialect.ts';
import { promptMedia } from './prompt-media.ts';
import { rerankDemand } from './request-demand.ts';

const demandOf = (dialect: ClientDialect, body: JsonObject) => dialect.requestView(body).requestDemand();
const chat = (body: JsonObject) => demandOf(openAiChatDialect, { messages: [], ...body });

describe('the demand of a request', () => {
  test('has the largest number of responses under any name', () => {
    expect(chat({}).choices).toBe(1);
    expect(chat({ n: 100 }).choices).toBe(100);
    expect(chat({ n: 2, best_of: 20 }).choices).toBe(20);
    expect(chat({ n: 1, best_of: '7' }).choices).toBe(7);
    expect(chat({ n: null, best_of: 2.5 }).choices).toBe(3);
    expect(Number.isFinite(chat({ best_of: Number.POSITIVE_INFINITY }).choices)).toBe(true);
    expect(chat({ best_of: -5 }).choices).toBe(1);
  });

  test('has the largest output limit under any name', () => {
    expect(chat({}).outputLimit).toBeUndefined();
    expect(chat({ max_completion_tokens: 1, max_tokens: 50_000 }).outputLimit).toBe(50_000);
    expect(chat({ max_tokens: 10, n_predict: 900 }).outputLimit).toBe(900);
    expect(chat({ max_tokens: 10, n_predict: -1 }).outputLimit).toBeUndefined();
    // An upstream that does not know this name has no limit.
    expect(chat({ n_predict: 900 }).outputLimit).toBeUndefined();
    expect(demandOf(responsesDialect(), { input: 'a', max_output_tokens: 3 }).outputLimit).toBe(3);
    expect(demandOf(anthropicMessagesDialect, { messages: [], max_tokens: 4 }).outputLimit).toBe(4);
    expect(demandOf(promptDialect(false), { prompt: 'a', max_tokens: 5 }).outputLimit).toBe(5);
  });

  test('counts lists of prompts, and a list of token ids once', () => {
    const prompts = (prompt: unknown) => demandOf(openAiCompletionsDialect, { prompt }).prompts;
    expect([prompts('a'), prompts(['a']), prompts(['a', 'b', 'c'])]).toEqual([1, 1, 3]);
    expect([prompts([1, 2, 3]), prompts([[1, 2], [3]])]).toEqual([1, 2]);
  });

  test('has the reasoning that an adapter may add to the limit', () => {
    expect(chat({}).reasoning).toBeUndefined();
    expect(chat({ reasoning_effort: 'high' }).reasoning).toEqual({ effort: 'high' });
    expect(chat({ reasoning: { max_tokens: 900 } }).reasoning).toEqual({ budgetTokens: 900 });
    expect(chat({ thinking: { type: 'enabled', budget_tokens: 2_000 } }).reasoning).toEqual({
      budgetTokens: 2_000,
    });
    expect(chat({ thinking: { type: 'disabled' } }).reasoning).toBeUndefined();
    expect(chat({ reasoning_effort: 'none' }).reasoning).toBeUndefined();
  });

  test('is open-ended where the prompt is stored elsewhere or the vendor adds to it', () => {
    const tool = (type: string) => ({ tools: [{ type }] });
    for (const body of [
      { previous_response_id: 'resp_1' },
      { conversation: 'conv_1' },
      { prompt: { id: 'pmpt_1' } },
      { mcp_servers: [{ url: 'x' }] },
      { web_search_options: {} },
      { cached_content: 'x' },
      tool('web_search'),
      tool('file_search'),
      tool('web_search_20250305'),
    ]) {
      expect(chat(body).isOpenEnded).toBe(true);
    }
    for (const body of [{}, tool('function'), tool('custom'), { tools: [{ name: 'f', input_schema: {} }] }]) {
      expect(chat(body).isOpenEnded).toBe(false);
    }
    expect(chat({ mcp_servers: [], previous_response_id: null }).isOpenEnded).toBe(false);
  });

  test('has tools, predictions and generated images', () => {
    expect(chat({ functions: [{}] }).hasTools).toBe(true);
    expect(chat({ prediction: { type: 'content', content: 'ab' } }).predictionBytes).toBeGreaterThan(2);
    expect(chat({ modalities: ['text', 'image'] }).generatesImages).toBe(true);
  });

  test('of a reranker repeats the query for each document', () => {
    expect(rerankDemand({}, 'query', 1).addedBytes).toBe(0);
    expect(rerankDemand({}, 'query', 3).addedBytes).toBe(2 * (5 + 4));
    expect(rerankDemand({}, '問', 2).addedBytes).toBe(3 + 4);
  });
});

test('the bytes that are no input never exceed the length of the settings and the JSON around messages', () => {
  const body = { model: 'm', messages: [{ role: 'u', content: '' }], n: 1, stream: true, temperature: 0 };
  const text = JSON.stringify(body);
  const rest = text.length - chat(body).structureBytes;
  // What is left are the brackets, and eight bytes for the special tokens around the message.
  expect(rest).toBeGreaterThanOrEqual('{"messages":[]}'.length + 8);
  expect(chat({ messages: [{ role: 'user' }, { content: 'x' }, 'x', null] }).structureBytes).toBe(0);
  expect(chat({ user: 'u', metadata: { a: 1 } }).structureBytes).toBe(0);
});

describe('the media of a prompt', () => {
  const user = (...content: unknown[]) => [{ role: 'user', content }];
  const data = 'A'.repeat(400);
  const png = `data:image/png;base64,${data}`;
  const none = { images: 0, lowDetailImages: 0, audioLength: 0, encodedLength: 0, unseen: 0 };
  const media = (prompt: unknown) => ({ ...none, ...promptMedia(prompt) });

  test('are images, by detail, in every dialect', () => {
    const url = 'https://a.test/x.png';
    const parts: readonly (readonly [unknown, object])[] = [
      [
        { type: 'image_url', image_url: { url: png } },
        { images: 1, encodedLength: png.length },
      ],
      [{ type: 'image_url', image_url: { url, detail: 'low' } }, { lowDetailImages: 1 }],
      [{ type: 'image_url', image_url: url }, { images: 1 }],
      [
        { type: 'input_image', image_url: png },
        { images: 1, encodedLength: png.length },
      ],
      [{ type: 'input_image', file_id: 'file_1' }, { images: 1 }],
      [
        { type: 'image', source: { type: 'base64', media_type: 'image/png', data } },
        { images: 1, encodedLength: data.length },
      ],
      [{ type: 'image', source: { type: 'url', url } }, { images: 1 }],
    ];
    for (const [part, expected] of parts) expect(media(user(part))).toEqual({ ...none, ...expected });
  });

  test('are found in tool results, function outputs and documents made of blocks', () => {
    const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data } };
    const found = { ...none, images: 1, encodedLength: data.length };
    const inResult = user({ type: 'tool_result', content: [image] });
    const inDocument = user({ type: 'document', source: { type: 'content', content: [image] } });
    const both = user({
      type: 'tool_result',
      content: [{ type: 'document', source: { type: 'content', content: [image] } }],
    });
    for (const prompt of [inResult, inDocument, both]) expect(media(prompt)).toEqual(found);
    const output = [{ type: 'function_call_output', output: [{ type: 'input_image', image_url: png }] }];
    expect(media(output)).toEqual({ ...none, images: 1, encodedLength: png.length });
  });

  test('are audio by its length; files and videos are of unknown size', () => {
    const pdf = `data:application/pdf;base64,${data}`;
    expect(media(user({ type: 'input_audio', input_audio: { data, format: 'mp3' } }))).toEqual({
      ...none,
      audioLength: 400,
      encodedLength: 400,
    });
    for (const part of [
      { type: 'file', file: { file_data: pdf } },
      { type: 'image_url', image_url: { url: pdf } },
    ]) {
      expect(media(user(part))).toEqual({ ...none, unseen: 1, encodedLength: pdf.length });
    }
    for (const part of [
      { type: 'file', file: { file_id: 'file_1' } },
      { type: 'input_file', file_url: 'https://a.test/x.pdf' },
      { type: 'document', source: { type: 'file', file_id: 'file_1' } },
      { type: 'video_url', video_url: { url: 'https://a.test/x.mp4' } },
      { type: 'audio_url', audio_url: { url: 'https://a.test/x.mp3' } },
      { type: 'container_upload', file_id: 'file_1' },
      { type: 'item_reference', id: 'item_1' },
    ]) {
      expect(media(user(part))).toEqual({ ...none, unseen: 1 });
    }
    expect(media([{ role: 'assistant', audio: { id: 'audio_1' } }])).toEqual({ ...none, unseen: 1 });
  });

  test('that are text count as text', () => {
    const text = 'x'.repeat(100);
    for (const part of [
      { type: 'text', text },
      { type: 'document', source: { type: 'text', media_type: 'text/plain', data: text } },
      { type: 'document', source: { type: 'base64', media_type: 'text/plain', data: text } },
      { type: 'file', file: { file_data: `data:text/csv;base64,${data}` } },
      { type: 'input_file', filename: 'a.txt', file_data: data },
      { type: 'web_search_tool_result', content: [] },
    ]) {
      expect(media(user(part))).toEqual(none);
    }
    expect(media('data:image/png;base64,AAAA')).toEqual(none);
  });
});
