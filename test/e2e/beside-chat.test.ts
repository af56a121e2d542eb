import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { json } from '../support/scripts.ts';
import { completion } from './helpers/chunks.ts';
import { asObject, type Json } from './helpers/json.ts';
import { nextRequest, type Pair, startPair } from './helpers/pair.ts';

/** Reranking, text to SQL, and the search for a model. */

const KEY = 'sk-none-0123456789';
let pair: Pair;
beforeAll(async () => {
  pair = await startPair((mock) => {
    const base = { discover: false, api_key: KEY };
    return {
      providers: [
        { id: 'cohere', kind: 'cohere', base_url: mock.url, ...base },
        { id: 'jina', kind: 'openai-compatible', vendor: 'jina', base_url: `${mock.url}/v1`, ...base },
        { id: 'vllm', kind: 'openai-compatible', engine: 'vllm', base_url: `${mock.url}/v1`, ...base },
        { id: 'llama', kind: 'openai-compatible', engine: 'llamacpp', base_url: `${mock.url}/v1`, ...base },
        { id: 'openai', kind: 'openai', base_url: `${mock.url}/v1`, ...base },
      ],
      models: [
        { id: 'mini', targets: [{ provider: 'openai', model: 'gpt-4o-mini' }], roles: ['sql'] },
        { id: 'thinker', targets: [{ provider: 'openai', model: 'gpt-5' }] },
        { id: 'vectors', targets: [{ provider: 'openai', model: 'text-embedding-3-small' }] },
      ],
    };
  });
});
afterAll(async () => {
  const { unscripted } = pair.mock;
  await pair.stop();
  expect(unscripted).toEqual([]);
});

const DOCUMENTS = ['A cat sleeps.', 'A weir is a low dam.', 'Rain falls.'];
const QUESTION = { query: 'What holds a river back?', documents: DOCUMENTS };

async function rerank(request: Json, upstream: unknown) {
  const arrived = nextRequest(pair.mock);
  pair.mock.respond(json(upstream));
  const response = await pair.post('/v1/rerank', request);
  const recorded = await arrived;
  return {
    status: response.status,
    warnings: response.headers.get('x-weir-warnings'),
    answer: asObject(await response.json()),
    path: recorded.path,
    sent: asObject(recorded.json()),
  };
}

describe('rerank', () => {
  const results = [
    { index: 1, relevance_score: 0.9 },
    { index: 2, relevance_score: 0.2 },
  ];

  test.each([
    ['cohere/rerank-v3.5', '/v2/rerank', { results, meta: { billed_units: { search_units: 1 } } }],
    ['jina/jina-reranker-v2', '/v1/rerank', { results, usage: { total_tokens: 21 } }],
    ['vllm/bge-reranker', '/v1/rerank', { results, usage: { total_tokens: 21 } }],
    ['llama/bge-reranker', '/v1/rerank', { results, usage: { prompt_tokens: 21, total_tokens: 21 } }],
  ])('by %s', async (model, path, upstream) => {
    const got = await rerank({ model, ...QUESTION, top_n: 2, return_documents: true }, upstream);
    expect(got.status).toBe(200);
    expect(got.path).toBe(path);
    expect(got.sent).toMatchObject({ model: model.split('/')[1], ...QUESTION, top_n: 2 });
    expect(got.answer).toMatchObject({
      model,
      results: [
        { index: 1, relevance_score: 0.9, document: { text: DOCUMENTS[1] } },
        { index: 2, relevance_score: 0.2, document: { text: DOCUMENTS[2] } },
      ],
    });
    expect(got.warnings).toBeNull();
    const { meta, usage } = got.answer;
    if (model.startsWith('cohere')) expect(meta).toMatchObject({ billed_units: { search_units: 1 } });
    else expect(usage).toMatchObject({ total_tokens: 21 });
  });

  test('through embeddings where there is no reranker, which a warning says', async () => {
    const data = [
      [1, 0],
      [0, 1],
      [0.9, 0.1],
      [0.5, 0.5],
    ].map((embedding, index) => ({ object: 'embedding', index, embedding }));
    const got = await rerank(
      { model: 'vectors', ...QUESTION, top_n: 1 },
      { object: 'list', data, model: 'm', usage: { prompt_tokens: 30, total_tokens: 30 } },
    );
    expect(got.path).toBe('/v1/embeddings');
    expect(got.sent.input).toEqual([QUESTION.query, ...DOCUMENTS]);
    expect(got.answer.results).toMatchObject([{ index: 1 }]);
    expect(got.answer.usage).toMatchObject({ total_tokens: 30 });
    expect(got.warnings).toContain('embeddings');
  });

  test('documents may be objects', async () => {
    const documents = [
      { title: 'Cats', text: 'sleep' },
      { title: 'Weirs', text: 'measure' },
    ];
    const request = { model: 'cohere/rerank-v3.5', query: 'q', documents, rank_fields: ['title', 'text'] };
    const got = await rerank(request, { results: [{ index: 0, relevance_score: 1 }] });
    expect(got.sent.documents).toEqual(['title: Cats\ntext: sleep', 'title: Weirs\ntext: measure']);
  });

  test('in the form of Text Embeddings Inference', async () => {
    const arrived = nextRequest(pair.mock);
    pair.mock.respond(json({ results }));
    const request = { model: 'vllm/bge', query: QUESTION.query, texts: DOCUMENTS, return_text: true };
    const response = await pair.post('/v1/rerank', request);
    expect(await response.json()).toEqual([
      { index: 1, score: 0.9, text: DOCUMENTS[1] },
      { index: 2, score: 0.2, text: DOCUMENTS[2] },
    ]);
    expect((await arrived).json()).toEqual({ model: 'bge', ...QUESTION });
  });

  test.each<[string, Json]>([
    ['documents', { query: 'q' }],
    ['documents', { query: 'q', texts: [] }],
    ['documents', { query: 'q', documents: [] }],
    ['documents[1]', { query: 'q', documents: ['a', 4] }],
    ['documents[0]', { query: 'q', documents: [{ body: 'no text' }] }],
    ['query', { query: '', documents: ['a'] }],
    ['top_n', { query: 'q', documents: ['a'], top_n: 0 }],
  ])('a wrong %s is refused by name', async (param, body) => {
    const response = await pair.post('/v1/rerank', { model: 'vllm/x', ...body });
    expect(response.status).toBe(400);
    expect(asObject(asObject(await response.json()).error)).toMatchObject({ param });
  });

  test.each<[string, unknown]>([
    ['no results', {}],
    ['an index that is no document', { results: [{ index: 7, relevance_score: 1 }] }],
    ['no score', { results: [{ index: 0 }] }],
  ])('an upstream answer with %s is no answer', async (_, upstream) => {
    const got = await rerank({ model: 'vllm/x', ...QUESTION }, upstream);
    expect(got.status).toBe(502);
    expect(got.answer).toMatchObject({ error: { code: 'upstream_invalid_response' } });
  });
});

describe('text2sql', () => {
  const SCHEMA = 'CREATE TABLE users (id INT PRIMARY KEY, name TEXT, created_at TIMESTAMP)';
  const ask = async (sql: string, more: Json = {}) => {
    const arrived = nextRequest(pair.mock);
    pair.mock.respond(json(completion({ role: 'assistant', content: `\`\`\`sql\n${sql}\n\`\`\`` })));
    const response = await pair.post('/v1/text2sql', {
      messages: [{ role: 'user', content: 'Count the users.' }],
      schema: SCHEMA,
      ...more,
    });
    expect(response.status).toBe(200);
    const answer = asObject(await response.json());
    return { answer, sql: asObject(answer.sql), sent: asObject((await arrived).json()) };
  };

  test('goes to the model with that role, and answers a completion with its statement', async () => {
    const { answer, sql, sent } = await ask('SELECT count(*) FROM users');
    expect(sent.model).toBe('gpt-4o-mini');
    expect(JSON.stringify(sent.messages)).toContain('CREATE TABLE users');
    expect(answer).toMatchObject({
      object: 'chat.completion',
      model: 'mini',
      choices: [{ finish_reason: 'stop' }],
      usage: { prompt_tokens: 5 },
    });
    expect(sql).toMatchObject({
      statement: 'SELECT count(*) FROM users',
      valid: true,
      refused: false,
      dialect: 'postgresql',
      tables: ['users'],
    });
  });

  test.each([
    'DELETE FROM users',
    'DROP TABLE users',
    'SELECT 1; DELETE FROM users',
    'WITH gone AS (DELETE FROM users RETURNING id) SELECT * FROM gone',
    'INSERT INTO users (id) SELECT 1',
    'SELECT * INTO copy FROM users',
    'SELECT * FROM users FOR UPDATE',
    'EXPLAIN ANALYZE DELETE FROM users',
  ])('what writes is refused: %s', async (statement) => {
    const { sql } = await ask(statement);
    expect(sql).toMatchObject({ statement: null, refused: true });
  });

  test('what writes is given where it may', async () => {
    const { sql } = await ask('DELETE FROM users WHERE id = 3', { read_only: false });
    expect(sql).toMatchObject({ statement: 'DELETE FROM users WHERE id = 3', valid: true, refused: false });
  });

  test('what does not parse comes with the parser’s words and the place', async () => {
    const { sql } = await ask('SELECT count( FROM users');
    expect(sql).toMatchObject({ valid: false, error: { line: 1 } });
    expect(String(asObject(sql.error).message).length).toBeGreaterThan(10);
  });

  test('an answer without SQL is no statement', async () => {
    pair.mock.respond(json(completion({ role: 'assistant', content: 'I cannot do that.' })));
    const response = await pair.post('/v1/text2sql', { messages: [{ role: 'user', content: 'x' }] });
    expect(asObject(await response.json()).sql).toMatchObject({ valid: false });
  });

  test.each<[string, Json]>([
    ['dialect', { dialect: 'cobol' }],
    ['schema', { schema: '' }],
    ['stream', { stream: true }],
    ['read_only', { read_only: 'yes' }],
    ['messages', { messages: [] }],
  ])('a wrong %s is refused by name', async (param, more) => {
    const body = { messages: [{ role: 'user', content: 'x' }], ...more };
    const response = await pair.post('/v1/text2sql', body);
    expect(response.status).toBe(400);
    expect(asObject(asObject(await response.json()).error)).toMatchObject({ param });
  });
});

describe('suggest-model', () => {
  const suggest = async (body: Json) => {
    const response = await pair.post('/v1/suggest-model', body);
    return { status: response.status, answer: asObject(await response.json()) };
  };
  const models = (answer: Json) =>
    (Array.isArray(answer.suggestions) ? answer.suggestions : []).map((one) => asObject(one).model);

  test('a cheap bulk task and a hard one get different models, with reasons', async () => {
    const cheap = await suggest({ task: 'Classify millions of support tickets as cheaply as possible' });
    const hard = await suggest({ task: 'Prove a theorem in many careful steps of reasoning' });
    expect(models(cheap.answer)[0]).toBe('mini');
    expect(models(hard.answer)[0]).toBe('thinker');
    const reasons = asObject(
      Array.isArray(hard.answer.suggestions) ? hard.answer.suggestions[0] : {},
    ).reasons;
    expect(reasons).toContainEqual(expect.stringMatching(/^Supports reasoning, which the task needs/));
    expect(models(hard.answer)).toEqual(['thinker', 'mini']);
  });

  test('vectors are asked for by name', async () => {
    const { answer } = await suggest({ task: 'Embed our documents for semantic search' });
    expect(models(answer)).toContain('vectors');
  });

  test('constraints rule models out, and it says how many', async () => {
    const { answer } = await suggest({
      task: 'Summarise a meeting',
      constraints: { max_input_price: 0.5, min_context_window: 100_000, capabilities: ['tools'] },
    });
    expect(models(answer)).toEqual(['mini']);
    expect(Object.keys(asObject(answer.excluded)).length).toBeGreaterThan(0);
  });

  test.each<[string, Json]>([
    ['task', {}],
    ['task', { task: '' }],
    ['constraints.max_input_price', { task: 'x', constraints: { max_input_price: -1 } }],
    ['constraints.capabilities[0]', { task: 'x', constraints: { capabilities: ['flying'] } }],
    ['limit', { task: 'x', limit: 0 }],
  ])('a wrong %s is refused by name', async (param, body) => {
    const { status, answer } = await suggest(body);
    expect(status).toBe(400);
    expect(answer.error).toMatchObject({ param });
  });
});
