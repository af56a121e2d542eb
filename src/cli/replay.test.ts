import { expect, test } from 'bun:test';
import { loggedRequest } from './replay.ts';

const LINE = {
  ...{
    msg: 'request',
    time: '2026-11-01T00:00:01Z',
    outcome: 'done',
    tenant: 't',
    model: 'm',
    provider: 'p',
  },
  ...{ upstream_model: 'u', duration_ms: 100, input_tokens: 5, output_tokens: 7 },
};
const prompt = (more: object) => loggedRequest(JSON.stringify({ ...LINE, ...more }))?.prompt;
const tools = [{ type: 'function', function: { name: 'f', parameters: { type: 'object' } } }];
const request = { model: 'm', messages: [{ role: 'user', content: 'Hi' }], tools };

test('a line of the export has its prompt, as its dialect reads it', () => {
  const read = prompt({ route: '/v1/chat/completions', request });
  expect(read?.view().hasTools).toBe(true);
  expect(read?.text).toContain('"content":"Hi"');
  const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: '[base64]' } };
  const messages = [{ role: 'user', content: [image] }];
  expect(prompt({ route: '/v1/messages', request: { messages } })?.view().hasImages()).toBe(true);
});

test('a line of the log has none, and neither has one of an unknown path or with a body that is no object', () => {
  expect(loggedRequest(JSON.stringify(LINE))).toMatchObject({ outputTokens: 7, durationMs: 100 });
  expect(prompt({})).toBeUndefined();
  expect(prompt({ route: '/v1/embeddings', request })).toBeUndefined();
  expect(prompt({ route: '/v1/chat/completions', request: 'cut' })).toBeUndefined();
});
