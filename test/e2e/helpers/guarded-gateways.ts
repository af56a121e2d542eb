import { type Gateway, startGateway } from '../../support/gateway.ts';
import { type MockUpstream, startMockUpstream } from '../../support/mock-upstream.ts';
import { mockConfig } from '../harness.ts';

/** A gateway with guardrails in front of a mock upstream. */
export interface GuardedGateway {
  readonly gateway: Gateway;
  readonly mock: MockUpstream;
  /** Bodies that the upstream received, one after another. */
  readonly sent: () => string;
}

/** Starts gateways with guardrails, and stops all of them with `stop`. */
export class GuardedGateways {
  readonly #closers: (() => unknown)[] = [];

  /** @param more of the configuration */
  readonly start = async (
    guardrails: readonly Readonly<Record<string, unknown>>[],
    more: Readonly<Record<string, unknown>> = {},
  ): Promise<GuardedGateway> => {
    const mock = await startMockUpstream();
    this.#closers.push(() => mock.close());
    const gateway = await startGateway({ config: mockConfig(mock.url, { guardrails, ...more }) });
    this.#closers.push(() => gateway.stop());
    const sent = () =>
      mock.requests
        .filter(({ method }) => method === 'POST')
        .map((request) => request.text())
        .join('\n');
    return { gateway, mock, sent };
  };

  readonly stop = async (): Promise<void> => {
    for (const close of this.#closers.splice(0).reverse()) await close();
  };
}
