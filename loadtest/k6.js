// Load of an AI platform at a fixed rate: chats, streams, embeddings, and requests that fail.
//
//   WEIR_API_KEY=... k6 run loadtest/k6.js
//   k6 run -e BASE_URL=https://weir.example -e RATE=5000 -e DURATION=5m loadtest/k6.js
//
// The command exits with 99 when the target is missed: p95 < 500 ms, p99 < 2 s, errors < 0.1 %.
import { check } from 'k6';
import exec from 'k6/execution';
import http from 'k6/http';

const BASE = __ENV.BASE_URL || 'http://localhost:8080';
const RATE = Number(__ENV.RATE || 100);
const CHAT_MODEL = __ENV.WEIR_CHAT_MODEL || 'simulator';
const EMBEDDING_MODEL = __ENV.WEIR_EMBEDDING_MODEL || 'simulator-embedding';

export const options = {
  scenarios: {
    mix: {
      executor: 'constant-arrival-rate',
      rate: RATE,
      timeUnit: '1s',
      duration: __ENV.DURATION || '1m',
      preAllocatedVUs: Math.max(100, Math.ceil(RATE / 5)),
      maxVUs: Math.max(200, 2 * RATE),
    },
  },
  thresholds: {
    http_req_duration: ['p(95)<500', 'p(99)<2000'],
    http_req_failed: ['rate<0.001'],
    checks: ['rate>0.999'],
  },
};

const params = (more = {}) => ({
  headers: { Authorization: `Bearer ${__ENV.WEIR_API_KEY || ''}`, 'Content-Type': 'application/json' },
  ...more,
});
const post = (path, body, more) => http.post(`${BASE}${path}`, JSON.stringify(body), params(more));
const chat = (more = {}) => ({
  model: CHAT_MODEL,
  messages: [{ role: 'user', content: 'Which index does a table of ten million orders need?' }],
  max_tokens: 40,
  ...more,
});

export default function () {
  const turn = exec.scenario.iterationInTest % 12;
  if (turn < 6) {
    const response = post('/v1/chat/completions', chat(), { tags: { name: 'chat' } });
    check(response, { 'chat: 200': ({ status }) => status === 200 });
  } else if (turn < 9) {
    const response = post('/v1/chat/completions', chat({ stream: true }), { tags: { name: 'stream' } });
    check(response, { 'stream: complete': ({ body }) => String(body).includes('data: [DONE]') });
  } else if (turn < 11) {
    const body = { model: EMBEDDING_MODEL, input: ['a sentence', 'another one'] };
    const response = post('/v1/embeddings', body, { tags: { name: 'embeddings' } });
    check(response, { 'embeddings: 200': ({ status }) => status === 200 });
  } else {
    // A client's mistake, which is no failure of the platform.
    const response = post('/v1/chat/completions', chat({ model: 'no-such-model' }), {
      tags: { name: 'mistake' },
      responseCallback: http.expectedStatuses(404),
    });
    check(response, { 'mistake: 404': ({ status }) => status === 404 });
  }
}
