import { CompleteResult } from '../core/complete-result.ts';
import type { EmbeddingRequest, EmbeddingResult } from '../core/embedding.ts';
import { asGatewayError, type GatewayError, stoppedByGateway } from '../core/errors.ts';
import type { EmbeddingCall } from '../core/inference.ts';
import { estimateTokensOf } from '../core/token-estimate.ts';
import type { Usage } from '../core/usage.ts';
import type { LimitReservation } from '../limits/limiter.ts';
import type { InlineMedia } from '../providers/types.ts';
import type { AcquiredSlot } from './admission-queue.ts';
import type { InferenceResponse } from './inference-response.ts';
import type { DispatchOptions } from './options.ts';
import type { DispatchBranch, DispatchScope } from './request.ts';
import { UpstreamAttempt } from './upstream-attempt.ts';

/** Calls of one request that run at the same time. */
const AT_ONCE = 8;
const NO_MEDIA: ReadonlyMap<string, InlineMedia> = new Map();

/** One request for embeddings whose target takes fewer inputs in a call. */
export interface SplitRun {
  readonly call: EmbeddingCall;
  readonly scope: DispatchScope;
  /** For the first call. */
  readonly slot: AcquiredSlot;
  /** Inputs of one call. */
  readonly size: number;
  /**
   * Acquires a concurrency slot of the same target for a further call.
   * @returns undefined where none is free now and `mayWait` is false
   * @throws GatewayError where none becomes free
   */
  acquire(scope: DispatchScope, mayWait: boolean): Promise<AcquiredSlot | undefined>;
  /** Reserves the use of a further call from the target's own limits. @throws GatewayError where they have no room */
  reserve(part: EmbeddingCall): Promise<LimitReservation | undefined>;
}

/**
 * Embeds a list of inputs with several calls to one target, and joins their responses. Each call is an attempt with usage of
 * its own, so that what was computed is metered however the others end. The first failure ends all of them.
 *
 * @throws GatewayError the first failure
 */
export async function dispatchSplit(options: DispatchOptions, run: SplitRun): Promise<InferenceResponse> {
  return new SplitEmbedding(options, run).respond();
}

class SplitEmbedding {
  readonly #parts: readonly EmbeddingRequest['inputs'][];
  readonly #results: EmbeddingResult[] = [];
  readonly #branch: DispatchBranch;
  #next = 0;
  #failure: GatewayError | undefined;

  constructor(
    private readonly options: DispatchOptions,
    private readonly run: SplitRun,
  ) {
    const { inputs } = run.call.embedding;
    this.#parts = Array.from({ length: Math.ceil(inputs.length / run.size) }, (_, index) =>
      inputs.slice(index * run.size, (index + 1) * run.size),
    );
    this.#branch = run.scope.fork();
  }

  async respond(): Promise<InferenceResponse> {
    const { call, slot } = this.run;
    const workers = Math.min(AT_ONCE, this.#parts.length);
    await Promise.all(Array.from({ length: workers }, (_, worker) => this.#work(worker === 0)));
    if (this.#failure) throw this.#failure;
    const vectors = this.#results.flatMap((result) => result.vectors);
    const usage = sumOf(this.#results);
    const result = new CompleteResult(
      call.render({ vectors, ...(usage ? { usage } : {}) }),
      usage,
      undefined,
    );
    return {
      source: { kind: 'target', target: slot.candidate.target },
      body: { kind: 'complete', result },
    };
  }

  /** Sends one call after the other. The first worker begins with the request's slot, and waits for others. */
  async #work(isFirst: boolean): Promise<void> {
    let slot: AcquiredSlot | undefined = isFirst ? this.run.slot : undefined;
    try {
      while (!this.#isOver) {
        slot ??= await this.run.acquire(this.#branch, isFirst);
        // Nothing is free: the other workers do the rest.
        if (!slot || this.#isOver) return;
        const index = this.#next;
        this.#next += 1;
        const part = this.#part(index);
        if (index > 0 && slot.candidate.target.limits) {
          slot = { ...slot, reservation: await this.run.reserve(part) };
        }
        if (this.#failure) return;
        const attempt = new UpstreamAttempt(this.options, part, this.#branch, slot, NO_MEDIA, undefined);
        slot = undefined;
        attempt.trace.part = index;
        attempt.trace.inputEstimate = estimateTokensOf(part.text);
        attempt.start();
        await attempt.response;
      }
    } catch (error) {
      this.#fail(asGatewayError(error));
    } finally {
      slot?.reservation?.settle({ tokens: 0, nanoUsd: 0 });
      slot?.lease.release(this.options.clock.now());
    }
  }

  get #isOver(): boolean {
    return this.#failure !== undefined || this.#next >= this.#parts.length;
  }

  #part(index: number): EmbeddingCall {
    const { call } = this.run;
    const inputs = this.#parts[index] ?? [];
    return {
      ...call,
      text: JSON.stringify({ input: inputs }),
      embedding: { ...call.embedding, inputs },
      render: (result) => {
        this.#results[index] = result;
        return '';
      },
    };
  }

  #fail(error: GatewayError): void {
    if (this.#failure) return;
    this.#failure = error;
    this.#branch.cancel(stoppedByGateway('Another call of the same request failed.'));
  }
}

/** @returns undefined where a response did not report its usage */
function sumOf(results: readonly EmbeddingResult[]): Usage | undefined {
  let inputTokens = 0;
  for (const { usage } of results) {
    if (usage?.inputTokens === undefined) return undefined;
    inputTokens += usage.inputTokens;
  }
  return { inputTokens, raw: {} };
}
