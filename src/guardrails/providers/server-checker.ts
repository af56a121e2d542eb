import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { GuardrailServerSettings } from '../../config/guardrail-server-schema.ts';
import { decodeUtf8 } from '../../core/bytes.ts';
import { CallBreaker } from '../../core/call-breaker.ts';
import type { Clock } from '../../core/clock.ts';
import { findJsonExcess } from '../../core/json-limits.ts';
import { lazy } from '../../core/lazy.ts';
import { isInRegions } from '../../core/region.ts';
import type { Transport, UpstreamRequest } from '../../core/transport.ts';
import { callBuffered } from '../../providers/buffered-call.ts';
import {
  type BatchVerdict,
  type CheckContext,
  type CheckedText,
  type GuardrailAction,
  GuardrailFailure,
  type RemoteChecker,
} from '../guardrail.ts';
import type { ServerAdapter, ServerVerdict } from './server-adapter.ts';

/** Texts that are asked about at the same time, of one check. */
const CONCURRENT = 4;
/** Verdicts that are kept, and UTF-16 units of the texts in them. */
const MAX_CACHED = 10_000;
const MAX_CACHED_UNITS = 8_000_000;
const MAX_RESPONSE_BYTES = 4 * 1024 * 1024;

export interface ServerCheckerOptions {
  readonly action: GuardrailAction;
  readonly settings: GuardrailServerSettings;
  readonly timeoutMs: number;
  readonly transport: Transport;
  readonly clock: Clock;
  /** Loads the adapter of the service, with the first check. */
  readonly load: () => Promise<ServerAdapter>;
}

/**
 * Asks a service about texts: within the guardrail's time, through a breaker, and once for the same text of the same tenant.
 * Redirects are not followed.
 */
export class ServerChecker implements RemoteChecker {
  readonly mode = 'async';
  readonly #adapter: () => ServerAdapter | Promise<ServerAdapter>;
  readonly #breaker: CallBreaker;
  readonly #verdicts: LRUCache<string, ServerVerdict> | undefined;

  constructor(private readonly options: ServerCheckerOptions) {
    const { settings, clock, load } = options;
    this.#adapter = lazy(load);
    this.#breaker = new CallBreaker(() => clock.now());
    this.#verdicts =
      settings.cache === 0
        ? undefined
        : new LRUCache({
            max: MAX_CACHED,
            maxSize: MAX_CACHED_UNITS,
            sizeCalculation: ({ texts = [] }) => 100 + texts.reduce((sum, text) => sum + text.length, 0),
            ttl: settings.cache,
            ttlResolution: 0,
            perf: { now: () => clock.now() },
          });
  }

  async check(
    texts: readonly CheckedText[],
    context: CheckContext,
    signal: AbortSignal,
  ): Promise<BatchVerdict> {
    if (context.regions) assertInRegions(this.options.settings.region, context.regions);
    const adapter = await this.#adapter();
    const read = texts.filter(({ text }) => text.trim() !== '');
    if (read.length === 0) return { counts: new Map() };
    const units = adapter.unit === 'batch' ? [read] : read.map((text) => [text]);
    const verdicts = await inParallel(units, (unit) => this.#verdict(adapter, unit, context, signal));
    const counts = new Map<string, number>();
    let score = 0;
    for (const verdict of verdicts) {
      if (verdict.counts.size === 0) continue;
      score = Math.max(score, verdict.score ?? 1);
      for (const [kind, count] of verdict.counts) counts.set(kind, (counts.get(kind) ?? 0) + count);
    }
    if (counts.size === 0) return { counts };
    if (this.options.action !== 'redact') return { counts, score };
    return { counts, score, texts: redacted(texts, read, units, verdicts) };
  }

  async #verdict(
    adapter: ServerAdapter,
    texts: readonly CheckedText[],
    context: CheckContext,
    signal: AbortSignal,
  ): Promise<ServerVerdict> {
    const key = this.#verdicts && keyOf(texts, context.tenant);
    const known = key === undefined ? undefined : this.#verdicts?.get(key);
    if (known) return known;
    if (!this.#breaker.admit()) {
      throw new GuardrailFailure('unavailable', 'its server failed, and is not asked for a while');
    }
    try {
      const verdict = await adapter.check(texts, context, (request) => this.#ask(request, signal));
      this.#breaker.succeeded();
      if (key !== undefined) this.#verdicts?.set(key, verdict);
      return verdict;
    } catch (error) {
      // A client that disconnected says nothing about the server.
      if (signal.aborted && !(signal.reason instanceof GuardrailFailure)) this.#breaker.abandoned();
      else this.#breaker.failed();
      throw error;
    }
  }

  async #ask(request: UpstreamRequest, signal: AbortSignal): Promise<unknown> {
    const { transport, timeoutMs } = this.options;
    const { status, body } = await callBuffered(
      transport,
      request,
      { timeoutMs, maxBytes: MAX_RESPONSE_BYTES },
      (what, cause) => new GuardrailFailure('unavailable', `its server ${what}`, { cause }),
      signal,
    );
    if (status >= 300 && status < 400) {
      throw new GuardrailFailure(
        'invalid_response',
        `its server redirects (HTTP ${status}), which is not followed`,
      );
    }
    if (status !== 200) throw new GuardrailFailure('unavailable', `its server responded with HTTP ${status}`);
    return jsonOf(body);
  }
}

/** @throws GuardrailFailure for a server that must not get the texts: the guardrail's rule for failures decides */
function assertInRegions(region: string | undefined, allowed: readonly string[]): void {
  if (region !== undefined && isInRegions(region, allowed)) return;
  const where = region === undefined ? 'has no "region"' : `is in region ${region}`;
  throw new GuardrailFailure(
    'unavailable',
    `its server ${where}, and the tenant's data must stay in ${allowed.join(', ')}`,
  );
}

function jsonOf(body: Uint8Array): unknown {
  try {
    const text = decodeUtf8(body);
    if (findJsonExcess(text)) throw new TypeError('too many levels or names');
    return JSON.parse(text);
  } catch (cause) {
    throw new GuardrailFailure('invalid_response', 'its server responded with something other than JSON', {
      cause,
    });
  }
}

/** @throws GuardrailFailure where a server found something, and gave no text without it */
function redacted(
  texts: readonly CheckedText[],
  read: readonly CheckedText[],
  units: readonly (readonly CheckedText[])[],
  verdicts: readonly ServerVerdict[],
): readonly string[] {
  const replaced = new Map<CheckedText, string>();
  for (const [index, unit] of units.entries()) {
    const verdict = verdicts[index];
    if (!verdict || verdict.counts.size === 0) continue;
    if (verdict.texts?.length !== unit.length) {
      throw new GuardrailFailure('failed', 'its server found what it cannot redact');
    }
    for (const [at, text] of unit.entries()) replaced.set(text, verdict.texts[at] ?? text.text);
  }
  return texts.map((text) => (read.includes(text) ? (replaced.get(text) ?? text.text) : text.text));
}

function keyOf(texts: readonly CheckedText[], tenant: string): string {
  const hash = createHash('sha256').update(JSON.stringify(tenant));
  for (const { stage, direction, role, text } of texts)
    hash.update(JSON.stringify([stage, direction, role, text]));
  return hash.digest('base64');
}

/** @returns the results in the order of the items. Rejects with the first failure, and begins nothing after it */
async function inParallel<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<readonly Result[]> {
  const results: Result[] = [];
  const entries = items.entries();
  let hasFailed = false;
  const worker = async () => {
    for (const [index, item] of entries) {
      if (hasFailed) return;
      try {
        results[index] = await work(item);
      } catch (error) {
        hasFailed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(CONCURRENT, items.length) }, worker));
  return results;
}
