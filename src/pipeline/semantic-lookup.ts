import type { CacheControls } from '../cache/cache-controls.ts';
import type { CachedResponse, CacheEntry } from '../cache/cache-entry.ts';
import type { KeyScope } from '../cache/cache-key.ts';
import type { SemanticSettings } from '../cache/cache-settings.ts';
import type { StorableCall } from '../cache/cacheable.ts';
import { similarityOf } from '../cache/embedders/embedder.ts';
import { answersAgree } from '../cache/semantic/compare-answers.ts';
import type { RejectedCandidate, SemanticMatch, SemanticQuery } from '../cache/semantic/semantic-cache.ts';
import { partitionKey } from '../cache/semantic/semantic-partition.ts';
import { semanticQuestion } from '../cache/semantic/semantic-question.ts';
import { CallBreaker } from '../core/call-breaker.ts';
import type { ModelRoute } from '../routing/directory.ts';
import { answerText } from './answer-text.ts';
import { askModel } from './ask-model.ts';
import type { CacheScopes } from './cache-scope.ts';
import type { CacheServices, CacheUse, SemanticServices, SemanticUse } from './cache-services.ts';
import type { SemanticTrace } from './cache-trace.ts';
import { builtInEmbedding, modelEmbedding, type QuestionEmbedding } from './embed-question.ts';
import type { CallScope, Next } from './interceptor.ts';
import type { InterceptorServices } from './interceptor-services.ts';

/** A request that the exact cache has no response for. */
export interface SemanticRequest {
  readonly call: StorableCall;
  readonly scope: CallScope;
  readonly next: Next;
  readonly route: ModelRoute;
  readonly keyScope: KeyScope;
  readonly controls: CacheControls;
}

/** What a lookup found, for the response that is fetched after it. */
export interface SemanticResult {
  readonly query: SemanticQuery;
  readonly embedding: QuestionEmbedding;
  readonly match: SemanticMatch | undefined;
  /** The match may be served. */
  readonly isServed: boolean;
}

/** After three failures in a row, the embedder is not asked for a second. */
const BREAKER = { failures: 3, maxPauseMs: 1_000 };

const JUDGE = `Two questions follow. Say whether one answer is right for both: they ask for the same, about the same things, with the same numbers, names, conditions and negations. Reply with the word "same" or "different" only.`;

/** Finds responses to questions that ask for the same, and measures how often they are wrong. */
export class SemanticLookup {
  /** Of the embedder. */
  readonly #breaker: CallBreaker;

  constructor(
    private readonly services: InterceptorServices,
    private readonly cache: CacheServices,
    private readonly semantic: SemanticServices,
    private readonly scopes: CacheScopes,
  ) {
    this.#breaker = new CallBreaker(() => services.clock.now(), BREAKER);
  }

  /** @returns undefined where the semantic cache takes no part in the request. Never throws. */
  async find(asked: SemanticRequest): Promise<SemanticResult | undefined> {
    const settings = this.cache.settingsOf(asked.route.id).semantic;
    if (!settings) return undefined;
    const startedAt = this.services.clock.now();
    const prepared = await this.#prepare(asked, settings);
    if (!prepared) return undefined;
    const { request } = asked.scope;
    const use = this.#use(asked);
    const { query, embedding } = prepared;
    const left = settings.timeoutMs - (this.services.clock.now() - startedAt);
    const search = { threshold: settings.threshold, candidates: settings.candidates };
    const { match, rejected, skipped } = await this.semantic.cache.find(query, {
      ...search,
      timeoutMs: Math.max(1, left),
    });
    const tooOld = match && this.#isTooOld(match, asked.controls);
    if (!match || tooOld) {
      const trace: SemanticTrace = skipped
        ? { result: 'skipped', reason: skipped }
        : rejected
          ? rejectedTrace(rejected)
          : { result: 'none' };
      request.semantic = trace;
      this.semantic.observer.looked(use, trace);
      return { query, embedding, match: undefined, isServed: false };
    }
    const trace = await this.#decide(asked, match, settings, use);
    request.semantic = trace;
    const { nanoUsd = 0, durationMs: ms } = match.entry.value;
    this.semantic.observer.looked(use, trace, { nanoUsd, ms });
    return { query, embedding, match, isServed: trace.result === 'hit' };
  }

  /** Keeps a fetched response for questions like its own, and compares it with what a match would have said. Never throws. */
  async stored(
    asked: SemanticRequest,
    found: SemanticResult | undefined,
    entry: CacheEntry<CachedResponse>,
  ): Promise<void> {
    try {
      await this.#store(asked, found, entry);
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error);
      this.semantic.observer.looked(this.#use(asked), { result: 'skipped', reason: 'unavailable', detail });
    }
  }

  async #store(
    asked: SemanticRequest,
    found: SemanticResult | undefined,
    entry: CacheEntry<CachedResponse>,
  ): Promise<void> {
    const settings = this.cache.settingsOf(asked.route.id).semantic;
    if (!settings) return;
    // The embedder has just failed.
    if (!found && asked.scope.request.semantic?.result === 'skipped') return;
    const result = found ?? (await this.#prepare(asked, settings));
    if (!result) return;
    const ttlMs = Math.min(asked.controls.ttlMs ?? settings.ttlMs, settings.ttlMs);
    this.semantic.cache.remember(result.query, asked.scope.request.identity.id, entry, ttlMs);
    if (found?.match) await this.#verify(asked, found, found.match, entry, settings);
  }

  /** Whether a served hit is also sent upstream, to compare. */
  isVerified({ route }: SemanticRequest): boolean {
    const share = this.cache.settingsOf(route.id).semantic?.verify.share ?? 0;
    return share > 0 && this.semantic.random() < share;
  }

  async #prepare(
    asked: SemanticRequest,
    settings: SemanticSettings,
  ): Promise<Pick<SemanticResult, 'query' | 'embedding' | 'match' | 'isServed'> | undefined> {
    const question = semanticQuestion(asked.call);
    const embedding = question && this.#embedding(asked, settings);
    if (!question || !embedding) return undefined;
    const vector = await this.#vector(asked, embedding, question.canonical, settings);
    if (!vector) return undefined;
    const { tenant, namespace, route } = asked.keyScope;
    const embedder = `${embedding.id} ${vector.length}`;
    const partition = partitionKey({ tenant, namespace, route, rest: question.rest, embedder });
    const query = { question: question.text, partition, tenant, namespace, vector };
    return { query, embedding, match: undefined, isServed: false };
  }

  #embedding(asked: SemanticRequest, { model }: SemanticSettings): QuestionEmbedding | undefined {
    if (model === undefined) return builtInEmbedding(this.semantic);
    const { scope, call, controls } = asked;
    const route = this.services.router.resolve(model);
    if (!route) return undefined;
    const { route: id } = this.scopes.of(scope.request, route, call.headers, controls);
    return modelEmbedding(id, route, asked, this.semantic, this.services);
  }

  async #vector(
    asked: SemanticRequest,
    embedding: QuestionEmbedding,
    text: string,
    { timeoutMs }: SemanticSettings,
  ): Promise<Float32Array | undefined> {
    let reason = 'paused after failures';
    if (this.#breaker.admit()) {
      reason = 'no vector in time';
      try {
        const vector = await embedding.embed(text, timeoutMs);
        if (vector) {
          this.#breaker.succeeded();
          return vector;
        }
      } catch (error) {
        reason = error instanceof Error ? error.message : String(error);
      }
      this.#breaker.failed();
    }
    const trace = { result: 'skipped', reason: 'embedding', detail: reason.slice(0, 120) } as const;
    asked.scope.request.semantic = trace;
    this.semantic.observer.looked(this.#use(asked), trace);
    return undefined;
  }

  async #decide(
    asked: SemanticRequest,
    match: SemanticMatch,
    settings: SemanticSettings,
    { tenant, model }: CacheUse,
  ): Promise<SemanticTrace> {
    const { similarity, requestId } = match;
    const facts = { similarity, requestId };
    const isDisabled = this.semantic.monitor.isDisabled(tenant, model);
    if (settings.mode === 'shadow' || isDisabled) {
      return { result: 'would_hit', ...facts, reason: isDisabled ? 'disabled' : 'shadow' };
    }
    const { judge } = settings;
    if (!judge || this.semantic.random() >= judge.share) return { result: 'hit', ...facts };
    const verdict = await this.#judge(asked, match, judge);
    return verdict === 'same'
      ? { result: 'hit', ...facts }
      : { result: 'rejected', ...facts, reason: verdict };
  }

  /** @returns `same`, or why the match is not served */
  async #judge(
    { call, scope, next }: SemanticRequest,
    { question: stored }: SemanticMatch,
    { model, timeoutMs }: NonNullable<SemanticSettings['judge']>,
  ): Promise<string> {
    const text = semanticQuestion(call)?.text ?? '';
    const ask = askModel(scope, next, this.services, this.semantic.question);
    const user = JSON.stringify({ first: text, second: stored });
    const over = new AbortController();
    const timer = setTimeout(() => over.abort(), timeoutMs);
    try {
      const said = await ask(model, { system: JUDGE, user }, over.signal);
      return /^\W*same\b/i.test(said) ? 'same' : 'judge';
    } catch {
      // Without a verdict, nothing is served.
      return 'judge_failed';
    } finally {
      clearTimeout(timer);
    }
  }

  async #verify(
    asked: SemanticRequest,
    { embedding }: SemanticResult,
    { entry: stored }: SemanticMatch,
    fetched: CacheEntry<CachedResponse>,
    settings: SemanticSettings,
  ): Promise<void> {
    const [before, now] = await Promise.all([this.#answer(asked, stored), this.#answer(asked, fetched)]);
    if (before === undefined || now === undefined) return;
    const [one, other] = await Promise.all(
      [before, now].map((text) =>
        embedding.embed(text.slice(0, 4_000), settings.timeoutMs).catch(() => undefined),
      ),
    );
    const isFalse = !answersAgree(before, now, one && other ? similarityOf(one, other) : undefined);
    const use = this.#use(asked);
    const { isNewlyDisabled, ...state } = this.semantic.monitor.add(
      use.tenant,
      use.model,
      isFalse,
      settings.verify,
    );
    this.semantic.observer.verified(use, isFalse, state);
    if (isNewlyDisabled) this.semantic.observer.disabled(use, state);
  }

  #answer({ call, scope, route }: SemanticRequest, entry: CacheEntry<CachedResponse>) {
    const target = this.scopes.targetOf(route, entry.value.provider, entry.value.upstreamModel);
    const { clock } = this.services;
    const { readers } = this.cache;
    return target ? answerText(entry, call, scope.request, target, { clock, readers }) : undefined;
  }

  #isTooOld({ entry }: SemanticMatch, { maxAgeMs }: CacheControls): boolean {
    return maxAgeMs !== undefined && this.services.clock.wallTime() - entry.storedAt > maxAgeMs;
  }

  #use({ scope }: SemanticRequest): SemanticUse {
    const { identity, routing } = scope.request;
    const model = routing.modelLabel ?? 'unknown';
    return { kind: 'semantic', tenant: identity.principal.tenant, model, requestId: identity.id };
  }
}

/** The words that differ are left out: explanations hold nothing of a prompt, and one of them is another user's. */
function rejectedTrace({ similarity, requestId, reason }: RejectedCandidate): SemanticTrace {
  return { result: 'rejected', similarity, requestId, reason };
}
