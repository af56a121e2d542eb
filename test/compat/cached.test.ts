import { afterAll, beforeAll, expect, test } from 'bun:test';
import { describeRecordings } from '../support/describe-recordings.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { type RecordedCall, recordedCallTitle } from '../support/recordings.ts';
import { replayScript } from '../support/replay.ts';
import { status } from '../support/scripts.ts';
import type { ReadAnswer } from './answer.ts';
import { compatClients } from './clients.ts';
import { expectSameAnswer } from './compare.ts';
import { REPLAYED_APIS, type ReplayedApi } from './providers.ts';

/** Part of the model's name, which every provider API has somewhere in its requests. */
const TICKET = /--t(\d+)/;

const apiOf = ({ provider, request }: RecordedCall): ReplayedApi | undefined =>
  REPLAYED_APIS.find(({ folders, path }) => folders.includes(provider) && path.test(request.path));
const idOf = (recordedCall: RecordedCall, api: ReplayedApi) =>
  `${recordedCall.provider}-${REPLAYED_APIS.indexOf(api)}`;

/** Responses that are stored: complete, regular ones. */
const isStored = ({ finish }: ReadAnswer) =>
  finish === 'stop' || finish === 'length' || finish === 'tool-calls';

/** The model of the recorded request, since some rules depend on its name. */
function modelOf({ request }: RecordedCall): string {
  const inPath = /\/models?\/([^/:]+)/.exec(request.path)?.[1];
  const inBody = /"model"\s*:\s*"([^"]+)"/.exec(request.body)?.[1];
  return decodeURIComponent(inPath ?? inBody ?? 'model');
}

describeRecordings(
  'every recorded response, served again from the cache to every client SDK',
  { where: (recordedCall) => apiOf(recordedCall) !== undefined && recordedCall.response.status === 200 },
  (recordedCalls) => {
    let mock: MockUpstream;
    let gateway: Gateway;
    const playing = new Map<string, { readonly recordedCall: RecordedCall; requests: number }>();
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
        found.requests += 1;
        return replayScript(found.recordedCall, { seed: Number(ticket), pieces: 5 });
      });
      const providers = new Map(
        recordedCalls.flatMap((recordedCall) => {
          const api = apiOf(recordedCall);
          if (!api) return [];
          const id = idOf(recordedCall, api);
          return [[id, { id, discover: false, ...api.settings(mock.url, recordedCall.provider) }] as const];
        }),
      );
      gateway = await startGateway({
        config: { log: { requests: false }, providers: [...providers.values()], cache: {} },
      });
    });
    afterAll(async () => {
      await gateway?.stop();
      await mock?.close();
    });

    for (const recordedCall of recordedCalls) {
      const api = apiOf(recordedCall);
      if (!api) continue;
      test(recordedCallTitle(recordedCall), async () => {
        const said = api.read(recordedCall);
        const isStream = api.isStream(recordedCall);
        for (const client of compatClients(gateway.url, gateway.adminKey)) {
          issued += 1;
          const ticket = String(issued);
          const played = { recordedCall, requests: 0 };
          playing.set(ticket, played);
          const model = `${idOf(recordedCall, api)}/${modelOf(recordedCall)}--t${ticket}`;
          // The first fills the entry; then in the same form, and in the other one.
          const forms = isStored(said) ? [isStream, isStream, !isStream] : [isStream, isStream];
          for (const stream of forms) expectSameAnswer(client.name, await client.ask(model, stream), said);
          const expected = isStored(said) ? 1 : 2;
          // A refusal in words ends with a regular reason in some APIs, and is stored then.
          if (!said.refused) expect([client.name, played.requests]).toEqual([client.name, expected]);
          playing.delete(ticket);
        }
      });
    }
  },
);
