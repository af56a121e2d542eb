import { afterAll, beforeAll, expect, test } from 'bun:test';
import { type Gateway, startGateway } from '../../support/gateway.ts';
import { type MockUpstream, startMockUpstream } from '../../support/mock-upstream.ts';
import type { ResponseScript } from '../../support/scripts.ts';
import { json, status } from '../../support/scripts.ts';
import { type CompatClient, compatClients } from '../clients.ts';
import { expectPagePart } from '../page-parts.ts';
import { MATRIX_PROVIDERS, type MatrixProvider, SAID } from './families.ts';
import { CLIENTS, type ClientName, FEATURES, PATHS, PLAIN } from './features.ts';
import { type Cell, compatibilityPage, type MatrixRow } from './page.ts';

/** Tries every feature that a client can request of a provider; the page in docs/ contains the results. */

const rows: MatrixRow[] = [];
let mock: MockUpstream;
let gateway: Gateway;
let clients: readonly CompatClient[];

beforeAll(async () => {
  mock = await startMockUpstream();
  const providers = MATRIX_PROVIDERS.map(({ id, base, settings }) => ({
    id,
    base_url: mock.url + base,
    discover: false,
    ...('engine' in settings ? {} : { api_key: 'sk-matrix-0123456789' }),
    ...settings,
  }));
  gateway = await startGateway({ config: { log: { requests: false }, providers } });
  clients = compatClients(gateway.url, gateway.adminKey);
});
afterAll(async () => {
  await gateway?.stop();
  await mock?.close();
});

const stream = ({ stream: pieces, streamType }: MatrixProvider): ResponseScript => ({
  status: 200,
  headers: { 'content-type': streamType },
  body: Buffer.concat([...pieces]),
});

/** Sends a request as it is, and tells how it went on. */
async function ask(client: ClientName, provider: MatrixProvider, body: object, mark: RegExp): Promise<Cell> {
  const before = mock.requests.length;
  mock.respond(json(provider.whole));
  const response = await fetch(gateway.url + PATHS[client], {
    method: 'POST',
    headers: { authorization: `Bearer ${gateway.adminKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: `${provider.id}/${provider.model}`, ...PLAIN[client], ...body }),
  });
  const answer = await response.text();
  if (response.status !== 200) throw new Error(`${client} to ${provider.name}: ${response.status} ${answer}`);
  const sent = mock.requests[before]?.text() ?? '';
  const warnings = response.headers.get('x-weir-warnings') ?? '';
  if (warnings === '') {
    // Without a warning it must have arrived.
    expect(sent).toMatch(mark);
    return { kind: 'yes' };
  }
  const messages = [...warnings.matchAll(/message="((?:[^"\\]|\\.)*)"/g)].map(([, message = '']) =>
    message.replaceAll('\\', ''),
  );
  return { kind: 'warned', says: messages.join(' ') };
}

test.each(FEATURES.flatMap((feature) => CLIENTS.map((client) => [feature.name, client, feature] as const)))(
  'asking for %s, with %s, arrives at every provider or is a warning',
  async (name, client, { bodies, mark }) => {
    const body = bodies[client];
    for (const provider of MATRIX_PROVIDERS) {
      const cell = body ? await ask(client, provider, body, mark) : { kind: 'unsaid' as const };
      rows.push({ group: 'asked', feature: name, client, provider: provider.name, cell });
    }
  },
);

const READ: readonly (readonly [
  feature: string,
  streamed: boolean,
  fields: readonly (keyof typeof SAID)[],
])[] = [
  ['text', false, ['text', 'finish']],
  ['tool calls', false, ['toolCalls']],
  ['reasoning', false, ['reasoning']],
  ['usage', false, ['usage']],
  ['streamed text', true, ['text', 'finish']],
  ['streamed tool calls', true, ['toolCalls']],
  ['streamed reasoning', true, ['reasoning']],
];

test.each(READ.flatMap((read) => CLIENTS.map((client) => [read[0], client, read] as const)))(
  '%s is read by %s from every provider',
  async (name, client, [, streamed, fields]) => {
    const sdk = clients.find((one) => one.name === client);
    if (!sdk) throw new Error(`no client ${client}`);
    for (const provider of MATRIX_PROVIDERS) {
      const thinks = !streamed || provider.streamThinks;
      let cell: Cell = { kind: 'unsaid' };
      if (thinks || !fields.includes('reasoning')) {
        mock.respond(streamed ? stream(provider) : json(provider.whole));
        const got = await sdk.ask(`${provider.id}/${provider.model}`, streamed);
        for (const field of fields)
          expect<unknown>(got[field]).toEqual(
            field === 'usage' ? expect.objectContaining(SAID.usage) : SAID[field],
          );
        cell = { kind: 'yes' };
      }
      rows.push({ group: 'answered', feature: name, client, provider: provider.name, cell });
    }
  },
);

test.each(CLIENTS.map((client) => [client] as const))(
  'errors of every provider are read by %s',
  async (client) => {
    const sdk = clients.find((one) => one.name === client);
    if (!sdk) throw new Error(`no client ${client}`);
    for (const provider of MATRIX_PROVIDERS) {
      const said = 'the request makes no sense to us';
      mock.respond(status(400, { error: { message: said, type: 'invalid_request_error' }, message: said }));
      const failure = await sdk.ask(`${provider.id}/${provider.model}`, false).then(
        () => undefined,
        (error: unknown) => error,
      );
      expect(Object(failure).status).toBe(400);
      expect(String(failure)).toContain(said);
      rows.push({
        group: 'answered',
        feature: 'errors',
        client,
        provider: provider.name,
        cell: { kind: 'yes' },
      });
    }
  },
);

test('docs/compatibility.md says what was found here', () => {
  expectPagePart('matrix', compatibilityPage(rows));
});
