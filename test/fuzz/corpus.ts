/** Sound requests to every kind of endpoint, from which the fuzz makes unsound ones. */

export interface CorpusRequest {
  readonly method: string;
  readonly target: string;
  readonly body?: unknown;
}

const CONTENT = [
  { type: 'text', text: 'What is in this picture? 💧' },
  { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgo=', detail: 'low' } },
];
const CALL = { id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{"city":"Paris"}' } };
const SCHEMA = {
  type: 'object',
  properties: { city: { type: 'string', enum: ['Paris', 'Rome'] }, days: { type: ['integer', 'null'] } },
  required: ['city'],
  additionalProperties: false,
};

const chat = (model: string) => ({
  model,
  messages: [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: CONTENT },
    { role: 'assistant', content: null, tool_calls: [CALL] },
    { role: 'tool', tool_call_id: 'call_1', content: 'Sunny.' },
    { role: 'user', content: 'Thanks. And Rome?', name: 'ann' },
  ],
  tools: [{ type: 'function', function: { name: 'weather', description: 'Weather.', parameters: SCHEMA } }],
  tool_choice: { type: 'function', function: { name: 'weather' } },
  response_format: { type: 'json_schema', json_schema: { name: 'out', schema: SCHEMA, strict: true } },
  temperature: 0.5,
  top_p: 0.9,
  max_tokens: 20,
  n: 1,
  stop: ['END'],
  seed: 7,
  logit_bias: { '50256': -100 },
  user: 'ann',
  metadata: { team: 'a' },
  reasoning_effort: 'low',
});

const messages = (model: string) => ({
  model,
  max_tokens: 20,
  system: [{ type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral' } }],
  messages: [
    {
      role: 'user',
      content: [
        { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'iVBORw0KGgo=' } },
        { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'A page.' } },
      ],
    },
    {
      role: 'assistant',
      content: [
        { type: 'thinking', thinking: 'Hm.', signature: 'c2ln' },
        { type: 'tool_use', id: 'toolu_1', name: 'weather', input: { city: 'Paris' } },
      ],
    },
    { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'toolu_1', content: 'Sunny.' }] },
  ],
  tools: [{ name: 'weather', description: 'Weather.', input_schema: SCHEMA }],
  tool_choice: { type: 'auto', disable_parallel_tool_use: true },
  thinking: { type: 'enabled', budget_tokens: 1_024 },
  metadata: { user_id: 'ann' },
  stop_sequences: ['END'],
});

const responses = (model: string) => ({
  model,
  instructions: 'Be brief.',
  input: [
    {
      type: 'message',
      role: 'user',
      content: [
        { type: 'input_text', text: 'Weather?' },
        { type: 'input_image', image_url: 'data:image/png;base64,iVBORw0KGgo=' },
      ],
    },
    { type: 'function_call', call_id: 'call_1', name: 'weather', arguments: '{"city":"Paris"}' },
    { type: 'function_call_output', call_id: 'call_1', output: 'Sunny.' },
  ],
  tools: [{ type: 'function', name: 'weather', description: 'Weather.', parameters: SCHEMA, strict: true }],
  text: { format: { type: 'json_schema', name: 'out', schema: SCHEMA, strict: true } },
  reasoning: { effort: 'low', summary: 'auto' },
  max_output_tokens: 20,
  store: false,
});

/** @param models names of models that the gateway knows, one for each format of a target */
export function corpus(models: readonly string[]): CorpusRequest[] {
  const post = (target: string, body: unknown): CorpusRequest => ({ method: 'POST', target, body });
  const inference = models.flatMap((model) => [
    post('/v1/chat/completions', chat(model)),
    post('/v1/chat/completions', { ...chat(model), stream: true, stream_options: { include_usage: true } }),
    post('/v1/messages', messages(model)),
    post('/v1/messages', { ...messages(model), stream: true }),
    post('/v1/responses', responses(model)),
    post('/v1/responses', { ...responses(model), stream: true }),
    post('/v1/messages/count_tokens', messages(model)),
    post('/v1/completions', { model, prompt: ['Once', 'Twice'], max_tokens: 5, n: 1, best_of: 1 }),
    post('/v1/embeddings', { model, input: ['one', 'two'], encoding_format: 'base64', dimensions: 8 }),
    post('/v1/rerank', { model, query: 'water', documents: ['a', 'b'], top_n: 1 }),
    post('/v1/text2sql', {
      model,
      question: 'How many?',
      schema: 'CREATE TABLE t (a INT)',
      dialect: 'mysql',
    }),
    post('/inference', { model, prompt: 'Hello', max_tokens: 5 }),
    post('/stream', { model, prompt: 'Hello', max_tokens: 5 }),
    post('/v1/estimate', { model, messages: [{ role: 'user', content: 'Hi' }], max_tokens: 5 }),
    post('/admin/v1/route', { request: chat(model), headers: { 'x-weir-priority': 'high' } }),
  ]);
  return [
    ...inference,
    post('/v1/suggest-model', { task: 'chat', max_cost: '0.01' }),
    post('/admin/v1/tenants', { id: 'acme', name: 'Acme', time_zone: 'Europe/Zurich', tier: 'free' }),
    { method: 'PATCH', target: '/admin/v1/tenants/acme', body: { name: 'Acme 2', limits: [] } },
    post('/admin/v1/tenants/acme/keys', {
      name: 'app',
      scopes: { models: ['simulator'], endpoints: ['/v1/*'], addresses: ['10.0.0.0/8'] },
      limits: [{ of: 'requests', per: 'minute', max: 5 }],
      expires_at: '2030-01-01T00:00:00Z',
    }),
    post('/admin/v1/tenants/acme/members', { email: 'ann@example.com', role: 'developer' }),
    post('/admin/v1/canaries', { model: 'simulator', action: 'stop' }),
    post('/v1/auth/sign-in', { email: 'ann@example.com', password: 'correct horse battery' }),
    post('/v1/auth/invitations/accept', { token: 'inv_x', password: 'correct horse battery', name: 'Ann' }),
    post('/v1/auth/token', { expires_in: 600 }),
    ...[
      '/',
      '/health',
      '/metrics',
      '/v1/models',
      '/v1/models/simulator',
      '/v1/usage?group_by=model&from=2026-01-01',
      '/v1/responses/resp_1',
      '/v1/auth/session',
      '/v1/auth/oidc/none',
      '/v1/auth/oidc/none/callback?state=a&code=b',
      '/admin/v1/usage?group_by=tenant&limit=5',
      '/admin/v1/tenants?search=a&limit=5',
      '/admin/v1/audit?limit=5',
      '/admin/v1/targets',
      '/openapi.json',
      '/docs',
    ].map((target) => ({ method: 'GET', target })),
  ];
}
