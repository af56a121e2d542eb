import { afterAll, beforeAll, expect, test } from 'bun:test';
import { gatewayInProcess, type InProcessGateway } from '../../support/gateway-in-process.ts';
import { type MockUpstream, startMockUpstream } from '../../support/mock-upstream.ts';
import { json } from '../../support/scripts.ts';
import { MATRIX_PROVIDERS } from '../matrix/families.ts';
import { REQUEST_SECTIONS } from './sections.ts';
import { TARGETS } from './walk-requests.ts';

/** The walk ends before the socket. These tests send a sample of it through a whole gateway. */

const PATHS: Readonly<Record<string, string>> = {
  'OpenAI chat completions': '/v1/chat/completions',
  'OpenAI completions': '/v1/completions',
  'OpenAI responses': '/v1/responses',
  'Anthropic messages': '/v1/messages',
};
/** Columns of the walk by the names of the matrix. */
const COLUMNS: Readonly<Record<string, string>> = {
  'OpenAI responses': 'OpenAI Responses',
  'Ollama native': 'Ollama',
  'OpenAI-compatible (vLLM)': 'vLLM',
};
/** For both of OpenAI's older endpoints. */
const COMPLETION = {
  id: 'c1',
  model: 'm',
  choices: [{ index: 0, text: 'Hi', message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }],
};
const SAMPLES = 4;

let mock: MockUpstream;
let gateway: InProcessGateway;

beforeAll(async () => {
  mock = await startMockUpstream();
  const providers = MATRIX_PROVIDERS.map(({ id, base, settings }) => ({
    id,
    base_url: mock.url + base,
    discover: false,
    ...('engine' in settings ? {} : { api_key: 'sk-members-0123456789' }),
    ...settings,
  }));
  gateway = await gatewayInProcess({ config: { providers } });
});
afterAll(async () => {
  await gateway?.close();
  await mock?.close();
});

test.each(Object.entries(PATHS))(
  '%s: warnings reach the header, errors name the member',
  async (title, path) => {
    const rows = REQUEST_SECTIONS.find((section) => section.title === title)?.rows ?? [];
    let warned = 0;
    for (const { id, name, model, whole } of MATRIX_PROVIDERS) {
      const column = COLUMNS[name] ?? name;
      const found = rows.flatMap(({ outcomes }) => outcomes[column] ?? []);
      for (const word of ['warned', 'rejected'] as const) {
        // Downloads of media are another test's.
        const samples = found.filter(
          (one) => one.word === word && !JSON.stringify(one.sample).includes('https://'),
        );
        for (let at = 0; at < samples.length; at += Math.ceil(samples.length / SAMPLES)) {
          const { sample, messages = [] } = samples[at] ?? {};
          mock.respondAlways(({ target }) => json(target.endsWith('/completions') ? COMPLETION : whole));
          const body = { ...sample, model: `${id}/${TARGETS[column]?.model ?? model}` };
          const { status, headers, text } = await gateway.call('POST', path, { key: gateway.adminKey, body });
          if (word === 'rejected') expect([status, text]).toEqual([400, expect.stringContaining('error')]);
          else {
            warned += 1;
            const expected = (messages[0] ?? '')
              .replaceAll(/[^\x20-\x7e]/g, '?')
              .replaceAll(/["\\]/g, '\\$&');
            expect(headers.get('x-weir-warnings')).toContain(expected);
          }
        }
      }
    }
    expect(warned).toBeGreaterThan(5);
  },
);
