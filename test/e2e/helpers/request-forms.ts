/** A request, by its path and body. */
export interface RequestForm {
  readonly name: string;
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
  /** The body bounds the use: it sets an output limit, or nothing is generated. */
  readonly isBounded: boolean;
}

/** Writes as much as it may. */
const MODEL = 'simulator:tokens=500';
const PIXEL = `data:image/png;base64,${'iVBORw0KGgo'.repeat(8)}`;
const messages = (content: unknown) => [{ role: 'user', content }];
const CJK = '今日は天気がいいですね。散歩に行きましょう。'.repeat(30);
const CODE = 'for (let i=0;i<n;++i){a[i]^=b[i]<<(c&7);}\n'.repeat(40);
const BASE64 = Buffer.from(CJK).toString('base64');
const tool = (description: string) => ({
  type: 'function',
  function: {
    name: 'find',
    description,
    parameters: { type: 'object', properties: { q: { type: 'string' } } },
  },
});

const chat = (name: string, more: Readonly<Record<string, unknown>>): RequestForm => ({
  name,
  path: '/v1/chat/completions',
  body: { model: MODEL, messages: messages('Tell me a story.'), max_tokens: 60, ...more },
  isBounded: true,
});
const completion = (name: string, more: Readonly<Record<string, unknown>>): RequestForm => ({
  name,
  path: '/v1/completions',
  body: { model: MODEL, prompt: 'Once', max_tokens: 40, ...more },
  isBounded: true,
});
const embedding = (name: string, input: unknown): RequestForm => ({
  name,
  path: '/v1/embeddings',
  body: { model: 'simulator-embedding', input, dimensions: 8 },
  isBounded: true,
});

/** One request of every form that differs in how its use is bounded. */
export const REQUEST_FORMS: readonly RequestForm[] = [
  chat('chat', {}),
  chat('n', { n: 50 }),
  chat('a stream of several choices', { n: 5, stream: true }),
  chat('CJK', { messages: messages(CJK) }),
  chat('code', { messages: messages(CODE) }),
  chat('base64 in text', { messages: messages(BASE64) }),
  chat('escaped text', { messages: messages('\u0001\u2028"\\\n'.repeat(100)) }),
  chat('images', {
    messages: messages([
      { type: 'image_url', image_url: { url: PIXEL } },
      { type: 'image_url', image_url: { url: PIXEL, detail: 'low' } },
      { type: 'text', text: 'What is it?' },
    ]),
  }),
  chat('audio', {
    messages: messages([
      { type: 'input_audio', input_audio: { data: 'UklGR'.repeat(2_000), format: 'wav' } },
    ]),
  }),
  chat('a file', {
    messages: messages([{ type: 'file', file: { file_data: `data:application/pdf;base64,${BASE64}` } }]),
  }),
  chat('tools', { tools: [tool(CJK), tool(CODE)], n: 3 }),
  chat('a schema', {
    response_format: {
      type: 'json_schema',
      json_schema: {
        name: 'x',
        schema: { type: 'object', properties: { a: { type: 'string', description: CJK } } },
      },
    },
  }),
  chat('reasoning', { model: 'simulator-reasoning:tokens=500', reasoning_effort: 'high' }),
  completion('a list of prompts', { prompt: Array.from({ length: 30 }, (_, at) => `prompt ${at}`) }),
  completion('lists of token ids', { prompt: [[1, 2, 3], [4, 5], [6]], n: 3 }),
  completion('best_of', { n: 2, best_of: 20 }),
  completion('echo', { echo: true, prompt: CJK }),
  embedding('an embedding', CJK),
  embedding(
    'a list of embeddings',
    Array.from({ length: 40 }, () => CJK.slice(0, 50)),
  ),
  embedding(
    'an embedding of token ids',
    Array.from({ length: 300 }, (_, at) => at),
  ),
  {
    name: 'rerank',
    path: '/v1/rerank',
    body: {
      model: 'simulator-rerank',
      query: CJK.slice(0, 400),
      documents: Array.from({ length: 50 }, (_, at) => `document ${at}`),
    },
    isBounded: true,
  },
  {
    name: 'responses',
    path: '/v1/responses',
    body: { model: MODEL, input: CJK, instructions: CODE, max_output_tokens: 50 },
    isBounded: true,
  },
  {
    name: 'messages',
    path: '/v1/messages',
    body: { model: MODEL, messages: messages(CJK), system: CODE, max_tokens: 50 },
    isBounded: true,
  },
  {
    name: 'messages with thinking',
    path: '/v1/messages',
    body: {
      model: 'simulator-reasoning:tokens=500',
      messages: messages('Think.'),
      max_tokens: 3_000,
      thinking: { type: 'enabled', budget_tokens: 2_000 },
    },
    isBounded: true,
  },
  {
    name: 'text2sql',
    path: '/v1/text2sql',
    body: {
      model: MODEL,
      messages: messages('How many users?'),
      schema: `CREATE TABLE users (id INT); -- ${CJK}`,
      max_tokens: 50,
    },
    isBounded: true,
  },
  {
    name: 'a prompt',
    path: '/inference',
    body: { model: MODEL, prompt: CJK, system: CODE, max_tokens: 50, n: 4 },
    isBounded: true,
  },
  {
    ...chat('without an output limit', {}),
    body: { model: MODEL, messages: messages('Hi') },
    isBounded: false,
  },
];
