import type { ForwardParts, LineRequest, LineResponse } from '../../src/batches/batch-parts.ts';
import { GatewayError } from '../../src/core/errors.ts';
import type {
  BatchSubmission,
  BatchUpstream,
  FoundSubmission,
  UpstreamBatchState,
  UpstreamLineResult,
} from '../../src/providers/batch-upstream.ts';
import type { UsageEvent } from '../../src/storage/usage-event.ts';
import { failed, installBatches, OK, TENANT } from './batch-installation.ts';
import { BACKENDS } from './database-servers.ts';

const [sqlite] = BACKENDS;
if (!sqlite) throw new Error('no SQLite');
const backend = sqlite;
export const MINUTE_MS = 60_000;

/** @returns lines of a batch, as JSON texts */
export const lines = (count: number) =>
  Array.from({ length: count }, (_, at) =>
    JSON.stringify({
      ...{ custom_id: `l${at}`, method: 'POST', url: '/v1/embeddings' },
      body: { model: 'm', input: `l${at}` },
    }),
  );

/** A provider whose batches the test decides about. */
class FakeProvider implements BatchUpstream {
  readonly submitted: BatchSubmission[] = [];
  readonly cancelled: string[] = [];
  readonly discarded: string[] = [];
  /** False for a provider that takes its time to cancel. */
  cancelsAtOnce = true;
  /** Results that were read. */
  resultsRead = 0;
  batchState: UpstreamBatchState = { kind: 'running' };
  found: FoundSubmission = { kind: 'none' };
  /** Thrown by each method, while it is set. */
  failure: Error | undefined;
  /** Called while a submission is under way, before it is sent. */
  beforeSubmit: (() => unknown) | undefined;
  /** Thrown after a submission was accepted. */
  afterSubmit: Error | undefined;
  resultOf: (id: string) => UpstreamLineResult | undefined = (id) => ({
    ...{ id, kind: 'response', status: 200, body: '{"ok":true}' },
  });

  endpointOf(): string {
    return '/v1/embeddings';
  }

  async submit(submission: BatchSubmission, beforeCall?: () => void): Promise<string> {
    if (this.failure) throw this.failure;
    await this.beforeSubmit?.();
    beforeCall?.();
    this.submitted.push(submission);
    if (this.afterSubmit) throw this.afterSubmit;
    return `remote-${this.submitted.length}`;
  }

  async find(): Promise<FoundSubmission> {
    if (this.failure) throw this.failure;
    return this.found;
  }

  async state(): Promise<UpstreamBatchState> {
    if (this.failure) throw this.failure;
    return this.batchState;
  }

  async *results(): AsyncGenerator<UpstreamLineResult> {
    const [latest] = this.submitted.toReversed();
    for (const { id } of latest?.lines.toReversed() ?? []) {
      const result = this.resultOf(id);
      this.resultsRead += 1;
      if (result) yield result;
    }
  }

  usageOf(): undefined {
    return undefined;
  }

  async cancel(id: string): Promise<void> {
    if (this.failure) throw this.failure;
    this.cancelled.push(id);
    if (this.cancelsAtOnce) this.batchState = { kind: 'ended', isPartial: true };
  }

  async discard(id: string): Promise<void> {
    this.discarded.push(id);
  }
}

const USAGE: Omit<UsageEvent, 'id' | 'requestId'> = {
  ...{ tenant: TENANT, at: 0, keyId: 'key_1', member: null, model: 'm', provider: 'p', upstreamModel: 'u' },
  ...{ operation: 'embedding', tags: [], status: 200, outcome: 'done', requests: 1, inputTokens: 3 },
  ...{ outputTokens: 2, cachedTokens: 0, cacheWriteTokens: 0, reasoningTokens: 0, costPico: 7 },
  ...{ estimated: false, durationMs: 0, firstEventMs: null },
};

interface FakeState {
  isConfigured: boolean;
  room: number;
  held: number;
  usageFailures: number;
  /** Replays fail before the pipeline meters the line, as with a revoked key. */
  failsReplays: boolean;
  captures: number;
  /** Called with the first capture. */
  onCapture: (() => Promise<unknown>) | undefined;
  /** Usage is stored when its promise resolves. */
  beforeUsage: (() => Promise<void>) | undefined;
}

/** @param local whether a line cannot be forwarded */
export async function installForwarding({
  local = () => false,
}: {
  local?: (request: LineRequest) => boolean;
} = {}) {
  const provider = new FakeProvider();
  const state: FakeState = {
    ...{ isConfigured: true, room: Number.POSITIVE_INFINITY, held: 0, usageFailures: 0, failsReplays: false },
    captures: 0,
    onCapture: undefined,
    beforeUsage: undefined,
  };
  const usage: UsageEvent[] = [];
  const live: string[] = [];
  const respond = async (request: LineRequest): Promise<LineResponse> => {
    const { forwarding, requestId, body } = request;
    if (forwarding?.kind === 'capture') {
      state.captures += 1;
      if (state.captures === 1) await state.onCapture?.();
      if (local(request)) return { ...OK, costPico: 0 };
      const upstream = { method: 'POST', url: 'http://p/v1/embeddings', headers: {}, body } as const;
      forwarding.captured = {
        ...{ provider: 'p', account: undefined, model: 'u', endpoint: '/v1/embeddings', request: upstream },
      };
      forwarding.use = { tokens: 10, nanoUsd: 100 };
      return failed('client_closed_request');
    }
    if (forwarding?.kind === 'replay') {
      if (state.failsReplays) return { ...failed('invalid_api_key'), costPico: 0 };
      forwarding.isUsed = true;
      const { status } = forwarding.response;
      if (status !== 200) return { ...failed('upstream_error'), status, costPico: 0 };
      forwarding.usage.push({ ...USAGE, id: `${requestId}-result`, requestId });
      return OK;
    }
    live.push(requestId);
    return OK;
  };
  const forwarding: ForwardParts = {
    upstreamOf: () => (state.isConfigured ? provider : undefined),
    async hold(_, { tokens }) {
      if (state.held + tokens > state.room) throw new GatewayError('quota_exceeded', 'no room');
      state.held += tokens;
      return {
        release: () => {
          state.held -= tokens;
        },
      };
    },
    usageOf({ requestId, status, models }) {
      return { ...USAGE, id: `${requestId}-result`, requestId, status, model: models.join() };
    },
    async storeUsage(events) {
      await state.beforeUsage?.();
      if (state.usageFailures > 0) {
        state.usageFailures -= 1;
        throw new Error('the database is gone');
      }
      // As in a database: an event of an id is stored once.
      usage.push(...events.filter(({ id }) => !usage.some((stored) => stored.id === id)));
    },
  };
  const installed = await installBatches(backend, respond, forwarding);
  /** Advances the clock until the batch has ended. */
  const untilEnd = async (id: string, steps = 30, stepMs = MINUTE_MS) => {
    for (let step = 0; step < steps; step += 1) {
      const batch = await installed.run(id);
      if (batch.endedAt !== null) return batch;
      installed.clock.advance(stepMs);
    }
    return installed.run(id);
  };
  return { ...installed, provider, state, usage, live, untilEnd };
}
