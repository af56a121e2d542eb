import type { InferenceCall } from '../core/inference.ts';
import { hashText, sha256Hex } from '../platform/hash.ts';
import type { PromptCacheHint } from '../providers/prompt-cache-hint.ts';
import type { Target } from '../providers/types.ts';
import { TargetStates } from '../routing/health/target-states.ts';
import type { PromptPrefixes } from '../routing/prompt-prefixes.ts';
import { SESSION_HEADER } from '../routing/request-facts.ts';
import type { DispatchRequest } from './request.ts';

/** What Weir does so that providers cache the prompts of a model. */
export interface PromptCachingSettings {
  /** Sets breakpoints at prefixes that repeat. */
  readonly breakpoints: boolean;
  /** Sends the vendor's cache key. */
  readonly keys: boolean;
}

/**
 * Milliseconds for which providers keep a prefix that is not read again.
 * Source: https://platform.claude.com/docs/en/build-with-claude/prompt-caching
 */
const LIFETIME_MS = 300_000;
/** No model caches a shorter prompt. UTF-16 units of a body. */
const MIN_UNITS = 2_048;

/** Decides what attempts add to their requests so that the provider caches the prompt. */
export class PromptCaching {
  constructor(
    private readonly settingsOf: (model: string) => PromptCachingSettings | undefined,
    private readonly prefixes: PromptPrefixes,
    private readonly now: () => number,
  ) {}

  /**
   * @param model the configured model, or another name
   * @returns undefined where nothing may be added
   */
  of(
    { identity, controls }: DispatchRequest,
    call: InferenceCall,
    target: Target,
    model: string,
  ): AttemptPromptCache | undefined {
    if (call.operation !== 'chat' || call.text.length < MIN_UNITS) return undefined;
    const { tenant, cache } = identity.principal;
    if (controls.promptCaching === false || cache?.promptCaching === false) return undefined;
    const settings = this.settingsOf(model);
    if (!settings) return undefined;
    return new AttemptPromptCache({ settings, prefixes: this.prefixes, now: this.now, tenant, call, target });
  }
}

interface AttemptPromptCacheOptions {
  readonly settings: PromptCachingSettings;
  readonly prefixes: PromptPrefixes;
  readonly now: () => number;
  readonly tenant: string;
  readonly call: InferenceCall;
  readonly target: Target;
}

/** The hint of one attempt. */
export class AttemptPromptCache implements PromptCacheHint {
  readonly repeated: PromptCacheHint['repeated'];
  readonly key: PromptCacheHint['key'];
  #sent: readonly bigint[] = [];

  constructor(private readonly options: AttemptPromptCacheOptions) {
    const { breakpoints, keys } = options.settings;
    this.repeated = breakpoints ? (prefixes) => this.#repeated(prefixes) : undefined;
    this.key = keys ? () => this.#key() : undefined;
  }

  get seed(): bigint {
    return hashText(TargetStates.key(this.options.target), 0n);
  }

  /** The provider has begun to respond: it has the prompt in its cache now. */
  confirm(): void {
    const { prefixes, tenant, now } = this.options;
    if (this.#sent.length > 0) prefixes.add(tenant, this.#sent, now());
  }

  #repeated(sent: readonly bigint[]): readonly boolean[] {
    const { prefixes, tenant, now } = this.options;
    this.#sent = sent;
    const since = now() - LIFETIME_MS;
    return sent.map((prefix) => prefixes.has(tenant, prefix, since));
  }

  /** Requests of a session share a prefix; those of different ones need not be on one machine. */
  #key(): string {
    const { tenant, call } = this.options;
    const session = call.headers.get(SESSION_HEADER) || call.view().affinityKey || '';
    return `weir-${sha256Hex(`${tenant.length} ${tenant}${session}`).slice(0, 32)}`;
  }
}
