import { afterAll, beforeAll, expect, test } from 'bun:test';
import { isRecord } from '../../src/core/json.ts';
import { chat, completion, eventually, post } from '../e2e/harness.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { openRaw } from '../support/http-raw.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { corpus } from './corpus.ts';
import { fuzzed, seededRandom } from './mutations.ts';

/**
 * Mutated requests to every endpoint and every format of a target. Each gets a whole response that is no defect of Weir,
 * and errors say what was wrong. `npm run fuzz` runs a minute; `WEIR_FUZZ_SEED` repeats a run.
 */

const SECONDS = Number(process.env.WEIR_FUZZ_SECONDS ?? 0);
const SEED = Number(process.env.WEIR_FUZZ_SEED ?? 1);
const USUAL_REQUESTS = 2_000;
const CONNECTIONS = 8;
/** Of one response: a request that is never answered is a finding, too. */
const PATIENCE_MS = 20_000;

const FORMATS = ['openai', 'anthropic', 'gemini', 'cohere', 'mistral', 'openai-compatible'];
let mock: MockUpstream;
let gateway: Gateway;

beforeAll(async () => {
  mock = await startMockUpstream();
  // Only what Weir makes of the requests counts here, so every target responds with the same.
  mock.respondAlways(completion());
  gateway = await startGateway({
    config: {
      log: { requests: false },
      providers: FORMATS.map((kind) => ({
        id: kind,
        kind,
        base_url: mock.url,
        api_key: 'sk-mock',
        discover: false,
      })),
      models: FORMATS.map((kind) => ({ id: `${kind}-model`, targets: [{ provider: kind, model: 'up' }] })),
    },
  });
});

afterAll(async () => {
  await gateway?.stop();
  await mock?.close();
});

/** Statuses that a request may have by its own fault, or by that of the target that it asks for. */
function isExpected(status: number): boolean {
  return status < 500 || [501, 502, 503, 504].includes(status);
}

function messageOf(body: string): unknown {
  const json: unknown = JSON.parse(body);
  return isRecord(json) && isRecord(json.error) ? json.error.message : undefined;
}

test(
  'mutated requests get whole responses, and none finds a defect',
  async () => {
    const requests = corpus([...FORMATS.map((kind) => `${kind}-model`), 'simulator']);
    const random = seededRandom(SEED);
    const authorization = `Bearer ${gateway.adminKey}`;
    const until = performance.now() + SECONDS * 1_000;
    const findings: string[] = [];
    let sent = 0;
    const goesOn = () =>
      findings.length < 20 && (SECONDS > 0 ? performance.now() < until : sent < USUAL_REQUESTS);

    const one = async () => {
      const request = requests[Math.floor(random() * requests.length)];
      if (request === undefined) throw new Error('the corpus is empty');
      const seed = Math.floor(random() * 2 ** 32);
      sent += 1;
      const { bytes, headOnly } = fuzzed(request, seed, authorization);
      const name = `${request.method} ${request.target} ${JSON.stringify(request.body)?.slice(0, 40)} seed ${seed}`;
      const connection = await openRaw(gateway.url);
      const impatient = setTimeout(() => connection.destroy(), PATIENCE_MS);
      try {
        await connection.send(bytes);
        const response = await connection.readResponse({ headOnly });
        const text = response.text();
        if (!response.complete) findings.push(`${name}: the response ends early`);
        if (!isExpected(response.status)) findings.push(`${name}: ${response.status} ${text.slice(0, 200)}`);
        const isJson = response.headers.get('content-type')?.startsWith('application/json') ?? false;
        if (response.status >= 400 && !headOnly && isJson) {
          const message = messageOf(text);
          if (typeof message !== 'string' || message === '') findings.push(`${name}: no message in ${text}`);
          else if (/\bat .*\.ts:\d|undefined|\[object|NaN/.test(message))
            findings.push(`${name}: ${message}`);
        }
      } catch (error) {
        findings.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
      } finally {
        clearTimeout(impatient);
        connection.destroy();
      }
    };
    const worker = async () => {
      while (goesOn()) await one();
    };
    await Promise.all(Array.from({ length: CONNECTIONS }, worker));
    const defects = gateway
      .logs()
      .filter(({ level }) => level === 'error' || level === 'fatal')
      .map((line) => JSON.stringify(line).slice(0, 1_500));

    expect({ findings, defects: defects.slice(0, 5) }).toEqual({ findings: [], defects: [] });
    await eventually('the gateway works as before', async () => {
      const response = await post(gateway, chat({ model: 'simulator' }));
      return response.ok && (await response.json()) !== undefined;
    });
    if (SECONDS > 0) console.log(`${sent} mutated requests, seed ${SEED}`);
  },
  120_000 + SECONDS * 1_000,
);
