import { afterAll, beforeAll, expect, test } from 'bun:test';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { describeRecordings } from '../support/describe-recordings.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { type RecordedCall, recordedCallTitle, responseJson } from '../support/recordings.ts';
import { replayScript } from '../support/replay.ts';
import { countAt, listAt, textAt, valueAt } from './answer.ts';
import { REPLAYED_APIS } from './providers.ts';

/** Recorded embeddings and refusals: what of other providers than OpenAI's format arrives at official SDKs. */

const EMBEDDING = /\/(?:embeddings|embed|invoke)$/;

function isEmbedding({ request, response }: RecordedCall): boolean {
  return EMBEDDING.test(request.path) && response.status === 200;
}

function isRefusal({ request, response, provider }: RecordedCall): boolean {
  return (
    response.status >= 400 &&
    request.method === 'POST' &&
    REPLAYED_APIS.some(({ folders, path }) => folders.includes(provider) && path.test(request.path))
  );
}

function settingsOf(recordedCall: RecordedCall, url: string): Readonly<Record<string, unknown>> {
  const { provider, request } = recordedCall;
  const api =
    REPLAYED_APIS.find(({ folders, path }) => folders.includes(provider) && path.test(request.path)) ??
    REPLAYED_APIS.find(({ folders }) => folders.includes(provider));
  if (!api) throw new Error(`no API replays ${provider}`);
  return api.settings(url, provider);
}

function sentJson({ request }: RecordedCall): unknown {
  return request.body === '' ? {} : JSON.parse(request.body);
}

/** The texts, or pictures, that were embedded. */
function inputs(recordedCall: RecordedCall): string[] {
  const body = sentJson(recordedCall);
  const found = [
    ...listAt(body, 'input'),
    ...listAt(body, 'texts'),
    ...listAt(body, 'images'),
    valueAt(body, 'inputText'),
    valueAt(body, 'input'),
  ];
  return found.filter((input) => typeof input === 'string');
}

/** The vectors as the provider wrote them. */
function vectors(body: unknown): unknown[] {
  const many = listAt(body, 'data').map((item) => valueAt(item, 'embedding'));
  if (many.length > 0) return many;
  const single = valueAt(body, 'embedding');
  if (single !== undefined) return [single];
  const lists = listAt(body, 'embeddings');
  return lists.length > 0 ? [...lists] : [...listAt(body, 'embeddings', 'float')];
}

function inputTokens(body: unknown): number | undefined {
  return (
    countAt(body, 'usage', 'prompt_tokens') ??
    countAt(body, 'inputTextTokenCount') ??
    countAt(body, 'meta', 'billed_units', 'input_tokens')
  );
}

describeRecordings(
  'recorded embeddings and refusals',
  { where: (recordedCall) => isEmbedding(recordedCall) || isRefusal(recordedCall) },
  (recordedCalls) => {
    let mock: MockUpstream;
    let gateway: Gateway;
    let openai: OpenAI;
    let anthropic: Anthropic;

    beforeAll(async () => {
      mock = await startMockUpstream();
      const providers = recordedCalls.map((recordedCall, index) => ({
        id: `p${index}`,
        discover: false,
        ...settingsOf(recordedCall, mock.url),
      }));
      gateway = await startGateway({ config: { log: { requests: false }, providers } });
      const key = { apiKey: gateway.adminKey, maxRetries: 0 };
      openai = new OpenAI({ baseURL: `${gateway.url}/v1`, ...key });
      anthropic = new Anthropic({ baseURL: gateway.url, ...key });
    });
    afterAll(async () => {
      await gateway?.stop();
      await mock?.close();
    });

    for (const [index, recordedCall] of recordedCalls.entries()) {
      const modelName = () => {
        const inPath = /\/models?\/([^/:]+)/.exec(recordedCall.request.path)?.[1];
        return decodeURIComponent(inPath ?? (textAt(sentJson(recordedCall), 'model') || 'm'));
      };
      const model = `p${index}/${modelName()}`;
      const answer = () => mock.respond(replayScript(recordedCall, { seed: index, pieces: 5 }));

      if (isEmbedding(recordedCall)) {
        test(`${recordedCallTitle(recordedCall)} is embedded`, async () => {
          answer();
          const got = await openai.embeddings.create({
            model,
            input: inputs(recordedCall),
            encoding_format: 'float',
          });
          const said = responseJson(recordedCall);
          expect(got.data.map(({ embedding }) => embedding) as unknown).toEqual(vectors(said));
          expect(got.data.map(({ index: place }) => place)).toEqual(got.data.map((_, place) => place));
          expect(got.usage.prompt_tokens).toBe(inputTokens(said) ?? 0);
        });
        continue;
      }

      const { status } = recordedCall.response;
      const said = textOfError(responseJson(recordedCall));
      // A key that the provider refuses is the gateway's, not the client's.
      const blamed = status === 401 || /API[_ ]key/i.test(said) ? 502 : status >= 500 ? 502 : status;
      test(`${recordedCallTitle(recordedCall)} is refused with ${blamed}, in every dialect`, async () => {
        const attempts: (() => Promise<unknown>)[] = [
          async () => openai.chat.completions.create({ model, messages: [{ role: 'user', content: 'x' }] }),
          async () => openai.responses.create({ model, input: 'x', stream: false }),
          async () =>
            anthropic.messages.create({ model, max_tokens: 16, messages: [{ role: 'user', content: 'x' }] }),
        ];
        for (const attempt of attempts) {
          answer();
          const failure = await attempt().then(
            () => undefined,
            (error: unknown) => error,
          );
          if (!(failure instanceof OpenAI.APIError || failure instanceof Anthropic.APIError)) {
            throw new Error(`not refused: ${String(failure)}`);
          }
          expect(failure.status).toBe(blamed);
          expect(failure.message).toContain(said.slice(0, 60));
        }
      });
    }
  },
);

/** What the provider says is wrong, whatever form it has. */
function textOfError(body: unknown): string {
  return (
    textAt(body, 'error', 'message') ||
    textAt(body, 'error') ||
    textAt(body, 'message') ||
    textAt(body, 'detail')
  );
}
