import { type Clock, systemClock } from '../../src/core/clock.ts';
import { type CallResult, gatewayInProcess, type InProcessGateway } from './gateway-in-process.ts';
import { chatAnswer, chatEvent } from './inference.ts';
import { type MockUpstream, startMockUpstream } from './mock-upstream.ts';
import { eventStream, json } from './scripts.ts';

/** The system's clock, which a test can set forward or back. */
export class ShiftedClock implements Clock {
  #shift = 0;

  now(): number {
    return systemClock.now() + Math.max(0, this.#shift);
  }

  wallTime(): number {
    return systemClock.wallTime() + this.#shift;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return systemClock.sleep(ms, signal);
  }

  /** @param ms negative to set it back */
  shift(ms: number): void {
    this.#shift += ms;
  }
}

export interface CacheGateway {
  readonly gateway: InProcessGateway;
  readonly mock: MockUpstream;
  readonly clock: ShiftedClock;
  post(
    path: string,
    body: unknown,
    headers?: Readonly<Record<string, string>>,
    key?: string,
  ): Promise<CallResult>;
  stop(): Promise<void>;
}

export interface CacheGatewayOptions {
  readonly cache?: unknown;
  /** Added to the model `chat`. */
  readonly model?: Readonly<Record<string, unknown>>;
  readonly config?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
  /** That of another gateway; its own when absent. */
  readonly upstream?: MockUpstream;
}

/** A gateway with a cache in front of one upstream, whose model is `chat`. It counts its responses in their text. */
export async function startCacheGateway({
  cache = {},
  model = {},
  config = {},
  upstream,
  env = {},
}: CacheGatewayOptions = {}): Promise<CacheGateway> {
  const mock = upstream ?? (await startMockUpstream());
  const clock = new ShiftedClock();
  let answers = 0;
  mock.respondAlways((request) => {
    answers += 1;
    return /"stream":\s*true/.test(request.text())
      ? eventStream([
          chatEvent('answer '),
          chatEvent(String(answers)),
          chatEvent('', 'stop'),
          'data: [DONE]\n\n',
        ])
      : json(JSON.parse(chatAnswer(`answer ${answers}`)));
  });
  const gateway = await gatewayInProcess({
    clock,
    env: { WEIR_SECRET: 'shared-by-all-gateways-of-a-test', ...env },
    config: {
      providers: [
        {
          id: 'up',
          kind: 'openai-compatible',
          base_url: `${mock.url}/v1`,
          api_key: 'sk-up',
          discover: false,
        },
      ],
      models: [{ id: 'chat', aliases: ['other'], targets: [{ provider: 'up', model: 'up' }], ...model }],
      routing: { retry: { attempts: 1 }, breaker: { failures: 1_000_000, min_requests: 1_000_000 } },
      cache,
      ...config,
    },
  });
  return {
    ...{ gateway, mock, clock },
    post: (path, body, headers = {}, key = gateway.adminKey) =>
      gateway.call('POST', path, { key, body, headers }),
    stop: async () => {
      await gateway.close();
      if (mock !== upstream) await mock.close();
    },
  };
}

/** A chat of one user message. */
export function chatOf(text: string, more: Readonly<Record<string, unknown>> = {}) {
  return { model: 'chat', messages: [{ role: 'user', content: text }], ...more };
}
