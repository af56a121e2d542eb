import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'bun:test';
import { guardrail as guardrailSchema } from '../../src/config/guardrail-schema.ts';
import { isRecord } from '../../src/core/json.ts';
import type { BatchVerdict, CheckContext, CheckedText } from '../../src/guardrails/guardrail.ts';
import { createGuardrail } from '../../src/guardrails/guardrail-kinds.ts';
import { createUpstreamTransport, type UpstreamTransport } from '../../src/platform/upstream-transport.ts';
import { Pseudonyms } from '../../src/redaction/pseudonyms.ts';
import { FakeClock } from './fake-clock.ts';
import { type MockUpstream, startMockUpstream } from './mock-upstream.ts';

/** Settings as they are configured. */
export type Settings = Readonly<Record<string, unknown>>;

/** Asks a guardrail about texts. */
export type Check = (
  texts: readonly CheckedText[],
  context?: Partial<CheckContext>,
  signal?: AbortSignal,
) => Promise<BatchVerdict>;

const CONTEXT: CheckContext = {
  requestId: 'req_1',
  tenant: 'acme',
  model: 'chat',
  pseudonyms: new Pseudonyms(),
  pause: () => Promise.resolve(),
  ask: () => Promise.reject(new Error('no model here')),
};

/** A text of a request. */
export const input = (text: string, more: Partial<CheckedText> = {}): CheckedText => ({
  ...{ text, stage: 'input', direction: 'input', role: 'user' },
  ...more,
});

/** A text of a response. */
export const output = (text: string): CheckedText =>
  input(text, { stage: 'output', direction: 'output', role: 'assistant' });

/** @returns the findings of a verdict by kind */
export const countsOf = ({ counts }: BatchVerdict) => Object.fromEntries(counts);

/** A mock server that guardrails ask, for the tests of one file. Every request has to be scripted. */
export class GuardrailServer {
  #clock = new FakeClock();

  private constructor(
    readonly mock: MockUpstream,
    private readonly transport: UpstreamTransport,
  ) {}

  static async start(): Promise<GuardrailServer> {
    return new GuardrailServer(await startMockUpstream(), createUpstreamTransport({ env: {} }));
  }

  /** Of the guardrails; a new one for each test. */
  get clock(): FakeClock {
    return this.#clock;
  }

  renewClock(): void {
    this.#clock = new FakeClock();
    // The cache takes the time 0 for none.
    this.#clock.advance(1);
  }

  /** @param server its settings. @param more of the guardrail */
  checker(kind: string, server: Settings, more: Settings = {}): Check {
    const settings = guardrailSchema('gateway').parse({
      ...{ id: 'g', kind, action: 'block', timeout: '2s' },
      server: { url: this.mock.url, ...server },
      ...more,
    });
    const { checker: made } = createGuardrail(settings, 'gateway', {
      hashSecret: 'x',
      servers: { transport: this.transport, clock: this.#clock },
    });
    if (made.mode !== 'async') throw new Error('it asks a server');
    return (texts, context = {}, signal = new AbortController().signal) =>
      made.check(texts, { ...CONTEXT, ...context }, signal);
  }

  /** @returns the requests that the mock reads while something runs, with their bodies */
  async sent(run: () => Promise<unknown>) {
    const before = this.mock.requests.length;
    await run();
    return this.mock.requests.slice(before).map((request) => {
      const body = request.json();
      return { target: request.target, headers: request.headers, body: isRecord(body) ? body : {} };
    });
  }

  async stop(): Promise<void> {
    this.transport.close();
    await this.mock.close();
  }
}

/** Starts a server for the tests of a file. @returns gives it while they run */
export function useGuardrailServer(): () => GuardrailServer {
  let server: GuardrailServer | undefined;
  const current = () => {
    if (!server) throw new Error('the tests have not begun');
    return server;
  };
  beforeAll(async () => {
    server = await GuardrailServer.start();
  });
  beforeEach(() => current().renewClock());
  afterEach(() => expect(current().mock.unscripted).toEqual([]));
  afterAll(() => server?.stop());
  return current;
}
