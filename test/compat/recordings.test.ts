import { afterAll, beforeAll, expect, test } from 'bun:test';
import { describeRecordings } from '../support/describe-recordings.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { type RecordedCall, recordedCallTitle } from '../support/recordings.ts';
import { replayScript } from '../support/replay.ts';
import { status } from '../support/scripts.ts';
import { type CompatClient, compatClients } from './clients.ts';
import { expectSameAnswer } from './compare.ts';
import { REPLAYED_APIS, type ReplayedApi } from './providers.ts';

/** Ways to cut each answer. */
const SPLITS = 3;
/** Part of the model's name, which every provider API has somewhere in its requests. */
const TICKET = /--t(\d+)/;
const CLIENTS = ['openai chat', 'openai responses', 'anthropic messages'] as const;

interface Replay {
  readonly api: ReplayedApi;
  readonly recordedCall: RecordedCall;
  readonly providerId: string;
}

function replayOf(recordedCall: RecordedCall): Replay | undefined {
  const index = REPLAYED_APIS.findIndex(
    ({ folders, path }) => folders.includes(recordedCall.provider) && path.test(recordedCall.request.path),
  );
  const api = REPLAYED_APIS[index];
  return api && { api, recordedCall, providerId: `${recordedCall.provider}-${index}` };
}

const isReplayed = (recordedCall: RecordedCall) =>
  replayOf(recordedCall) !== undefined && recordedCall.response.status === 200;

/** The model of the recorded request, since some rules depend on its name. */
function modelOf({ request }: RecordedCall): string {
  const inPath = /\/models?\/([^/:]+)/.exec(request.path)?.[1];
  const inBody = /"model"\s*:\s*"([^"]+)"/.exec(request.body)?.[1];
  return decodeURIComponent(inPath ?? inBody ?? 'model');
}

describeRecordings(
  'every recorded answer, read by every client SDK',
  { where: isReplayed },
  (recordedCalls) => {
    let mock: MockUpstream;
    let gateway: Gateway;
    let clients: readonly CompatClient[];
    const playing = new Map<string, { readonly replay: Replay; readonly seed: number }>();
    const counts = new Map<
      string,
      { recordedCalls: number; streams: number; read: number; missed: number }
    >();
    let issued = 0;

    beforeAll(async () => {
      mock = await startMockUpstream();
      mock.respondAlways((request) => {
        // Gateways read the metrics of engines at intervals.
        if (request.target.endsWith('/metrics')) return status(404, {});
        const ticket =
          TICKET.exec(decodeURIComponent(request.target))?.[1] ?? TICKET.exec(request.text())?.[1];
        const found = playing.get(ticket ?? '');
        if (!found) throw new Error(`no recording was announced for ${request.target}`);
        const { recordedCall } = found.replay;
        return replayScript(recordedCall, { seed: found.seed, pieces: 2 + ((found.seed * 7) % 30) });
      });
      const ids = new Map(
        recordedCalls.map((recordedCall) => [replayOf(recordedCall)?.providerId, replayOf(recordedCall)]),
      );
      const providers = [...ids].flatMap(([id, replay]) =>
        replay
          ? [{ id, discover: false, ...replay.api.settings(mock.url, replay.recordedCall.provider) }]
          : [],
      );
      gateway = await startGateway({ config: { log: { requests: false }, providers } });
      clients = compatClients(gateway.url, gateway.adminKey);
    });
    afterAll(async () => {
      await gateway?.stop();
      await mock?.close();
      console.log('Recorded answers read by all three client SDKs, by provider:');
      console.table(Object.fromEntries(counts));
    });

    for (const recordedCall of recordedCalls) {
      const replay = replayOf(recordedCall);
      if (!replay) continue;
      const { api, providerId } = replay;
      const count = counts.get(providerId) ?? { recordedCalls: 0, streams: 0, read: 0, missed: 0 };
      counts.set(providerId, count);
      count.recordedCalls += 1;
      if (api.isStream(recordedCall)) count.streams += 1;

      for (const name of CLIENTS) {
        test(`${recordedCallTitle(recordedCall)} by ${name}`, async () => {
          const client = clients.find((one) => one.name === name);
          if (!client) throw new Error(`no client ${name}`);
          const said = api.read(recordedCall);
          count.missed += 1;
          for (let split = 1; split <= SPLITS; split += 1) {
            issued += 1;
            const ticket = String(issued);
            playing.set(ticket, { replay, seed: issued });
            const model = `${providerId}/${modelOf(recordedCall)}--t${ticket}`;
            const got = await client.ask(model, api.isStream(recordedCall));
            expectSameAnswer(name, got, said);
            playing.delete(ticket);
          }
          count.missed -= 1;
          count.read += 1;
        });
      }
    }

    test('nothing was missed without a reason', () => {
      for (const [provider, { missed }] of counts) expect(`${provider}: ${missed}`).toBe(`${provider}: 0`);
    });
  },
);
