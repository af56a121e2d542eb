import { afterAll, beforeAll, expect, test } from 'bun:test';
import { gatewayInProcess, type InProcessGateway } from '../../support/gateway-in-process.ts';
import { type MockUpstream, startMockUpstream } from '../../support/mock-upstream.ts';
import { json } from '../../support/scripts.ts';
import { MATRIX_PROVIDERS } from '../matrix/families.ts';
import { expectPagePart } from '../page-parts.ts';
import { DEFAULT_VALUES, DOCUMENTED_ANSWERS, DOCUMENTED_REQUESTS, DOCUMENTED_STREAMS } from './documented.ts';
import { membersPart, type Section } from './page.ts';
import { answerOutcomes, requestOutcomes, streamOutcomes } from './sections.ts';
import { TARGETS } from './walk-requests.ts';

/**
 * Each member of each published type: of requests in every client dialect on their way to every target, and of complete and
 * streamed responses of every vendor on their way to every client.
 */

function outcomesOf(sections: readonly Section[]) {
  return sections.flatMap(({ title, rows }) =>
    rows.flatMap(({ label, outcomes }) =>
      Object.entries(outcomes).map(([column, outcome]) => ({ title, label, column, ...outcome })),
    ),
  );
}

const requests = outcomesOf(requestOutcomes());
const answers = outcomesOf(answerOutcomes());
const streams = outcomesOf(streamOutcomes());

test.each([
  ['request', requestOutcomes, requests],
  ['response', answerOutcomes, answers],
  ['stream', streamOutcomes, streams],
] as const)('no member of a %s is dropped without a warning', (kind, sections, outcomes) => {
  const members = sections().reduce((sum, { rows }) => sum + rows.length, 0);
  console.log(`${members} members of ${kind}s, ${outcomes.length} outcomes`);
  const silent = outcomes.filter(({ word }) => word === 'silent');
  expect(
    silent.map(({ title, label, column, messages }) => [title, label, column, ...messages].join(': ')),
  ).toEqual([]);
});

test('a value of a request that changes nothing, although others do, is a default', () => {
  const unknown = requests.flatMap(({ label, column, silentValues }) =>
    silentValues
      .map(String)
      .filter(
        (value) => !DEFAULT_VALUES.some(([pattern, values]) => pattern.test(label) && values.includes(value)),
      )
      .map((value) => `${label}: ${column}: ${value}`),
  );
  expect(unknown).toEqual([]);
});

test('docs/compatibility.md lists the outcomes', () => {
  expectPagePart('members', membersPart(requestOutcomes(), answerOutcomes(), streamOutcomes()));
});

test('each documented reason is needed', () => {
  const reasons = new Set([...requests, ...answers, ...streams].map(({ reason }) => reason));
  const unneeded = [...DOCUMENTED_REQUESTS, ...DOCUMENTED_ANSWERS, ...DOCUMENTED_STREAMS].filter(
    ({ reason }) => !reasons.has(reason),
  );
  expect(unneeded.map(({ reason }) => reason)).toEqual([]);
});

test('the walk reaches nested members, alternatives and lists', () => {
  const labels = new Set([...requests, ...answers, ...streams].map(({ label }) => label));
  for (const label of [
    'messages[](role=user).content[](type=image_url).image_url.detail',
    'input[](type=function_call_output).output[](type=input_file).filename',
    'messages[](role=user).content[](type=tool_result).content[](type=text).cache_control(type=ephemeral).ttl',
    'tools[](type=custom).custom.format(type=grammar).grammar.syntax',
    'output[](type=code_interpreter_call).outputs[](type=logs).logs',
    'candidates[].groundingMetadata.groundingChunks[].web.uri',
  ]) {
    expect(labels).toContain(label);
  }
  expect(labels.size).toBeGreaterThan(4_000);
});

/** The walk ends before the socket. The tests below send a sample of it through a whole gateway. */

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
    const rows = requestOutcomes().find((section) => section.title === title)?.rows ?? [];
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
          const body = { ...Object(sample), model: `${id}/${TARGETS[column]?.model ?? model}` };
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

test('content of a response that the client cannot read reaches the header too', async () => {
  const content = [
    { type: 'server_tool_use', id: 's1', name: 'web_search', input: {} },
    { type: 'text', text: 'Hi' },
  ];
  const message = { id: 'msg_1', type: 'message', role: 'assistant', content, stop_reason: 'end_turn' };
  mock.respondAlways(json(message));
  const body = { model: 'anthropic/claude-sonnet-4-5', messages: [{ role: 'user', content: 'Hi' }] };
  const { status, headers } = await gateway.call('POST', '/v1/chat/completions', {
    key: gateway.adminKey,
    body,
  });
  expect(status).toBe(200);
  expect(headers.get('x-weir-warnings')).toContain('unsupported;param="response.choices[0].content[0]"');
});
