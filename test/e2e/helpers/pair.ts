import { type Gateway, type GatewayOptions, startGateway } from '../../support/gateway.ts';
import { type MockUpstream, startMockUpstream } from '../../support/mock-upstream.ts';

/** A gateway process in front of one mock upstream. */

export const UPSTREAM_KEY = 'sk-upstream-0123456789abcdef';
/** What clients ask for, and what the mock upstream is asked for in its place. */
export const ALIAS = 'house-model';
export const UPSTREAM_MODEL = 'vendor/real-model-7b';

export interface Pair {
  readonly mock: MockUpstream;
  readonly gateway: Gateway;
  /** Sends a JSON body, given as a value or as its text, with the admin key. */
  post(path: string, body: unknown, headers?: Readonly<Record<string, string>>): Promise<Response>;
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<Response>;
  stop(): Promise<void>;
}

/** @param config added to, or put in place of, the sections of the default configuration */
export async function startPair(
  config: (mock: MockUpstream) => Readonly<Record<string, unknown>> = () => ({}),
  options: Pick<GatewayOptions, 'dataDir'> = {},
): Promise<Pair> {
  const mock = await startMockUpstream();
  const gateway = await startGateway({
    ...options,
    config: {
      log: { requests: false },
      providers: [
        {
          id: 'up',
          kind: 'openai-compatible',
          base_url: `${mock.url}/v1`,
          api_key: UPSTREAM_KEY,
          discover: false,
        },
      ],
      models: [{ id: ALIAS, targets: [{ provider: 'up', model: UPSTREAM_MODEL }] }],
      ...config(mock),
    },
  });
  const authorization = `Bearer ${gateway.adminKey}`;
  return {
    mock,
    gateway,
    post: (path, body, headers) =>
      fetch(`${gateway.url}${path}`, {
        method: 'POST',
        headers: { authorization, 'content-type': 'application/json', ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
    get: (path, headers) => fetch(`${gateway.url}${path}`, { headers: { authorization, ...headers } }),
    stop: async () => {
      try {
        await gateway.stop();
      } finally {
        await mock.close();
      }
    },
  };
}

/** The request that the mock upstream reads next; to be called before it is provoked. */
export function nextRequest(mock: MockUpstream) {
  return mock.waitForRequest(mock.requests.length + 1);
}
