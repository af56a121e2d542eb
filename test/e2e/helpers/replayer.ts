import { type Gateway, startGateway } from '../../support/gateway.ts';
import { type MockUpstream, startMockUpstream } from '../../support/mock-upstream.ts';
import type { RecordedRequest } from '../../support/recorded-request.ts';
import { type RecordedCall, recordedCallTitle, requestJson } from '../../support/recordings.ts';
import { replayScript } from '../../support/replay.ts';
import { status } from '../../support/scripts.ts';
import { asObject, type Json } from './json.ts';

/** Recorded exchanges, played to clients of a gateway that takes them for the providers themselves. */

const OPERATION = /\/(?:chat\/completions|embeddings)$/;
/** Among each request's first members, so that the mock finds it without parsing. */
const TICKET = /"x_replay":"(\d+)"/;

/** What the gateway holds as the providers' credential. */
export const PROVIDER_KEY = 'sk-recorded-9876543210fedcba';

/** One way to configure a provider. */
export interface Variant {
  readonly id: string;
  readonly settings: Json;
  /** The provider's profile says that token counts come with streams unasked. */
  readonly sendsUsageUnasked: boolean;
  /** The provider's profile says that embeddings come as lists of numbers only. */
  readonly floatEmbeddingsOnly: boolean;
}

const known = (
  id: string,
  settings: Json,
  quirks: Partial<Pick<Variant, 'sendsUsageUnasked' | 'floatEmbeddingsOnly'>> = {},
): Variant => ({ id, settings, sendsUsageUnasked: false, floatEmbeddingsOnly: false, ...quirks });

const KNOWN: readonly Variant[] = [
  known('openai', { kind: 'openai' }),
  known('mistral', { kind: 'mistral' }, { sendsUsageUnasked: true, floatEmbeddingsOnly: true }),
  known('groq', { kind: 'openai-compatible', vendor: 'groq' }),
  known('deepseek', { kind: 'openai-compatible', vendor: 'deepseek' }),
  known('openrouter', { kind: 'openai-compatible', vendor: 'openrouter' }, { sendsUsageUnasked: true }),
  known('llamacpp', { kind: 'openai-compatible', engine: 'llamacpp' }),
];

export const REPLAYED_PROVIDERS = KNOWN.map(({ id }) => id);

/** A recording's provider configured as what it is, and as a server that the gateway knows nothing about. */
export function variantsOf(provider: string): { readonly named: Variant; readonly generic: Variant } {
  const named = KNOWN.find(({ id }) => id === provider);
  if (named === undefined) throw new Error(`no provider settings for recordings of "${provider}"`);
  return { named, generic: known(`generic-${provider}`, { kind: 'openai-compatible' }) };
}

export function recordedBody(recordedCall: RecordedCall): Json {
  return asObject(requestJson(recordedCall));
}

export interface ReplayOptions {
  readonly variant: Variant;
  /** What the client asks, the model as the provider names it. */
  readonly body: Json;
  /** Decides where the answer is cut. */
  readonly seed: number;
  /** Pieces of the answer; see `replayScript`. */
  readonly pieces?: number;
}

export interface Replayed {
  /** The model as the client named it. */
  readonly model: string;
  readonly sent: Json;
  /** The outcome at the upstream. */
  readonly upstream: RecordedRequest;
  readonly response: Response;
  readonly body: Uint8Array;
}

export class Replayer {
  readonly #pending = new Map<string, { recordedCall: RecordedCall; options: ReplayOptions }>();
  readonly #received = new Map<string, RecordedRequest>();
  #issued = 0;

  private constructor(
    private readonly mock: MockUpstream,
    private readonly gateway: Gateway,
  ) {
    mock.respondAlways((request) => {
      // Gateways read the metrics of engines at intervals.
      if (request.target.endsWith('/metrics')) return status(404, {});
      const ticket = TICKET.exec(request.text())?.[1] ?? '';
      const found = this.#pending.get(ticket);
      if (found === undefined) throw new Error(`no recording was announced for ${request.target}`);
      this.#received.set(ticket, request);
      const { seed, pieces } = found.options;
      return replayScript(found.recordedCall, { seed, ...(pieces !== undefined && { pieces }) });
    });
  }

  /** Starts one gateway with both variants of each provider that the exchanges are of. */
  static async start(recordedCalls: readonly RecordedCall[]): Promise<Replayer> {
    const mock = await startMockUpstream();
    const prefixes = new Map(
      recordedCalls.map(({ provider, request }) => [provider, request.path.replace(OPERATION, '')]),
    );
    const providers = [...prefixes].flatMap(([provider, prefix]) => {
      const { named, generic } = variantsOf(provider);
      const common = { base_url: `${mock.url}${prefix}`, api_key: PROVIDER_KEY, discover: false };
      return [named, generic].map(({ id, settings }) => ({ id, ...settings, ...common }));
    });
    const gateway = await startGateway({ config: { log: { requests: false }, providers } });
    return new Replayer(mock, gateway);
  }

  /** One request through the gateway, answered with the recorded response. */
  async replay(recordedCall: RecordedCall, options: ReplayOptions): Promise<Replayed> {
    this.#issued += 1;
    const ticket = String(this.#issued);
    this.#pending.set(ticket, { recordedCall, options });
    const model = `${options.variant.id}/${String(options.body.model)}`;
    const sent = { x_replay: ticket, ...options.body, model };
    const path = OPERATION.exec(recordedCall.request.path)?.[0];
    const response = await fetch(`${this.gateway.url}/v1${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${this.gateway.adminKey}`, 'content-type': 'application/json' },
      body: JSON.stringify(sent),
    });
    const body = new Uint8Array(await response.arrayBuffer());
    const upstream = this.#received.get(ticket);
    this.#pending.delete(ticket);
    this.#received.delete(ticket);
    if (upstream === undefined) {
      const answer = new TextDecoder().decode(body);
      throw new Error(
        `${recordedCallTitle(recordedCall)} was not asked for upstream: ${response.status} ${answer}`,
      );
    }
    return { model, sent, upstream, response, body };
  }

  async stop(): Promise<void> {
    try {
      await this.gateway.stop();
    } finally {
      await this.mock.close();
    }
  }
}
