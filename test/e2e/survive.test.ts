import { afterAll, beforeAll, expect, test } from 'bun:test';
import type OpenAI from 'openai';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type MockUpstream, type Responder, startMockUpstream } from '../support/mock-upstream.ts';
import { dataEvents, eventStream, json, status } from '../support/scripts.ts';
import { completion, finish, text, usageOnly } from './helpers/chunks.ts';

/** Two replicas under steady load; one of them fails in every way there is. Only what clients see counts. */

/** How many clients ask at the same time, one request after another. */
const CLIENTS = 8;
const OPEN_MS = 400;
const HANG_MS = 500;

let good: MockUpstream;
let bad: MockUpstream;
let gateway: Gateway;
let client: OpenAI;
let counterState: PromiseWithResolvers<void>;

const answer: Responder = (request) =>
  request.text().includes('"stream":true')
    ? eventStream(dataEvents([text('Hel'), text('lo.'), finish(), usageOnly()]))
    : json(completion());

beforeAll(async () => {
  [good, bad] = await Promise.all([startMockUpstream(), startMockUpstream()]);
  good.respondAlways(answer);
  bad.respondAlways(answer);
  const provider = (id: string, { url }: MockUpstream) => ({
    id,
    kind: 'openai-compatible',
    base_url: `${url}/v1`,
    discover: false,
    connect_timeout: '500ms',
  });
  gateway = await startGateway({
    config: {
      log: { requests: false },
      providers: [provider('good', good), provider('bad', bad)],
      models: [
        {
          id: 'm',
          targets: [
            { provider: 'good', model: 'x' },
            { provider: 'bad', model: 'x' },
          ],
        },
      ],
      limits: { first_token: `${HANG_MS}ms` },
      routing: {
        breaker: { open: `${OPEN_MS}ms` },
        slow_start: '300ms',
        health: { interval: '500ms', timeout: '300ms', failures: 2, successes: 1 },
      },
    },
  });
  client = gateway.openai();
});
afterAll(async () => {
  await gateway?.stop();
  await Promise.all([good?.close(), bad?.close()]);
});

interface Load {
  asked: number;
  readonly failures: string[];
  stop(): Promise<void>;
}

/** Clients that ask and ask, whole and streamed in turn, until they are stopped. */
function load(): Load {
  let going = true;
  const state = { asked: 0, failures: [] as string[] };
  const one = async (stream: boolean) => {
    const body = { model: 'm', messages: [{ role: 'user' as const, content: 'Hi' }] };
    let said = '';
    if (stream) {
      try {
        for await (const chunk of await client.chat.completions.create({ ...body, stream: true })) {
          said += chunk.choices[0]?.delta?.content ?? '';
        }
      } catch (error) {
        // A stream that its client has begun to read cannot be started again elsewhere.
        if (said !== '' && String(error).includes('closed the connection in the middle of its response'))
          return;
        throw error;
      }
    } else said = (await client.chat.completions.create(body)).choices[0]?.message.content ?? '';
    expect(said).toBe('Hello.');
  };
  const runs = Array.from({ length: CLIENTS }, async (_, index) => {
    for (let turn = index; going; turn += 1) {
      state.asked += 1;
      await one(turn % 2 === 0).catch((error: unknown) => state.failures.push(String(error)));
    }
  });
  return Object.assign(state, {
    stop: async () => {
      going = false;
      await Promise.all(runs);
    },
  });
}

/** Resolves when so many more requests have come to a replica. */
const more = (mock: MockUpstream, count: number) => mock.waitForRequest(mock.requests.length + count);

const FAULTS: readonly (readonly [
  name: string,
  break_: () => Promise<void> | void,
  mend: () => Promise<void> | void,
])[] = [
  [
    'answers 500',
    () => bad.respondAlways(status(500, { error: { message: 'broken' } })),
    () => bad.respondAlways(answer),
  ],
  [
    'hangs',
    () => {
      // A suspended process: it resumes where it stopped.
      counterState = Promise.withResolvers();
      bad.respondAlways(async (request) => {
        await counterState.promise;
        return typeof answer === 'function' ? answer(request) : answer;
      });
    },
    () => {
      counterState.resolve();
      bad.respondAlways(answer);
    },
  ],
  [
    'is killed',
    () => bad.close(),
    async () => {
      bad = await startMockUpstream(bad.port);
      bad.respondAlways(answer);
    },
  ],
];

test.each(FAULTS)(
  'clients notice nothing when one replica %s, and it gets its share again later',
  async (_, breakIt, mendIt) => {
    const running = load();
    await Promise.all([more(good, 20), more(bad, 20)]);

    await breakIt();
    // The breaker has opened once the good replica answers more than the failing one is asked.
    await more(good, 100);
    const asked = bad.requests.length;
    await more(good, 300);
    // Probes only: one for each time that the breaker is half open.
    const broken = bad.requests.length - asked;
    expect(broken).toBeLessThan(60);

    await mendIt();
    await more(bad, 50);
    await running.stop();
    expect(running.failures).toEqual([]);
    expect(running.asked).toBeGreaterThan(400);
  },
  60_000,
);

test('a slow replica gets few requests, and a failed one is reported', async () => {
  bad.respondAlways(async (request) => {
    await Bun.sleep(150);
    return typeof answer === 'function' ? answer(request) : answer;
  });
  const running = load();
  await more(good, 100);
  const before = [good.requests.length, bad.requests.length] as const;
  await more(good, 200);
  const slow = bad.requests.length - before[1];
  expect(slow).toBeLessThan((good.requests.length - before[0]) / 3);
  bad.respondAlways(answer);
  await running.stop();
  expect(running.failures).toEqual([]);
}, 60_000);
