import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { truncatedStream } from '../support/scripts.ts';
import { completion, mockConfig, streamed, streamPieces } from './harness.ts';
import { askIn, DIALECTS } from './helpers/dialects.ts';

const EMAIL = 'anna.schmidt@example.com';
let mock: MockUpstream;
let gateway: Gateway;
beforeAll(async () => {
  mock = await startMockUpstream();
  const targets = [{ provider: 'mock', model: 'upstream-chat' }];
  gateway = await startGateway({
    config: mockConfig(mock.url, {
      models: ['redacted', 'restored'].map((id) => ({ id, targets })),
      guardrails: [
        { id: 'redacts', kind: 'pii', action: 'redact', models: ['redacted'] },
        { id: 'restores', kind: 'pii', action: 'pseudonymise', models: ['restored'] },
      ],
    }),
  });
}, 60_000);
afterAll(async () => {
  await gateway.stop();
  await mock.close();
});

describe.each(DIALECTS)('in the dialect %s', (dialect) => {
  test('a token that the user typed keeps its meaning, and values get others', async () => {
    const text = `What is [EMAIL_1]? I am ${EMAIL}`;
    for (const stream of [false, true]) {
      mock.respondAlways(
        stream
          ? streamed('You typed [EMA', 'IL_1], and gave [EMAIL', '_2].')
          : completion('You typed [EMAIL_1], and gave [EMAIL_2].'),
      );
      const response = await askIn(gateway, dialect, { model: 'restored', text, stream });
      expect([response.status, response.text]).toEqual([200, `You typed [EMAIL_1], and gave ${EMAIL}.`]);
      expect(mock.requests.at(-1)?.text()).toContain('What is [EMAIL_1]? I am [EMAIL_2]');
    }
  });

  test.each([
    [['Pay with the card', ' 4111 11'], 'Pay with the card '],
    [['Write to the ', 'office'], 'Write to the office'],
    [['Ask ', 'anna.schm', 'idt@exam'], 'Ask '],
    [['The key is -----BEGIN PRIVATE KEY-----\n', 'MIIEow'], 'The key is [PRIVATE_KEY]'],
  ])(
    'a stream that breaks off after %j loses no word, and leaks no half of a finding',
    async (pieces, kept) => {
      const begun = streamPieces(...pieces).filter(
        (piece) => !piece.includes('"finish_reason":"stop"') && !piece.includes('[DONE]'),
      );
      mock.respondAlways(truncatedStream(begun));
      const response = await askIn(gateway, dialect, { model: 'redacted', text: 'Hi', stream: true });
      expect(response.text).toBe(kept);
      expect(response.raw).toMatch(/"error"|event: error|response\.failed/);
    },
  );
});
