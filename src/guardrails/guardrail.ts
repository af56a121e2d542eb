import type { ChatResult } from '../core/chat/result.ts';
import type { Operation } from '../core/inference.ts';
import type { Pseudonyms } from '../redaction/pseudonyms.ts';

export type GuardrailDirection = 'input' | 'output' | 'tool_call' | 'tool_result';
export type GuardrailAction = 'redact' | 'pseudonymise' | 'sanitise' | 'block' | 'flag' | 'shadow';
/** Whether a request goes to the provider, or comes from it. */
export type GuardrailStage = 'input' | 'output';
/** Who wrote a text. Documents and results of tools are of the role `tool`. */
export type TextRole = 'system' | 'user' | 'assistant' | 'tool';

/** One text that guardrails read. */
export interface CheckedText {
  readonly text: string;
  readonly stage: GuardrailStage;
  /** `tool_call` and `tool_result` are more exact than `input` and `output`, which include them. */
  readonly direction: GuardrailDirection;
  readonly role: TextRole;
  /** It goes to the provider, and is no text for the model: a setting, a stop sequence, an address of a file. */
  readonly isSetting?: boolean;
}

/** The result of a check. */
export interface Verdict {
  /** Number of findings by kind, such as `email`; empty where nothing was found. Never a value that was found. */
  readonly counts: ReadonlyMap<string, number>;
  /** How sure the guardrail is, 0 to 1; 1 when absent. */
  readonly score?: number;
  /** `allow`: the findings are reported, and do not suffice to act. */
  readonly action?: 'allow';
}

/** The result of a check of one text. */
export interface TextVerdict extends Verdict {
  /** The text in its place; the same text where nothing is replaced. */
  readonly text: string;
}

/** The result of a check of several texts. */
export interface BatchVerdict extends Verdict {
  /** The texts in their place, in the same order; absent where nothing is replaced. */
  readonly texts?: readonly string[];
}

/** The result of a check of a whole response. */
export interface ResponseVerdict extends Verdict {
  /** Asks the model once more, with this message after its response; absent where that does not help. */
  readonly repair?: string;
}

/** Checks the pieces of one text of a streamed response. The result must be that of the whole text, wherever it was split. */
export interface TextStream {
  /** UTF-16 units of the pieces that are held back, because more text may make them part of a finding. */
  readonly held: number;
  /** @returns what can be sent on, and what was found in it */
  push(piece: string): TextVerdict;
  /** @returns the rest */
  end(): TextVerdict;
}

/** The size of a request, and what it contains beside texts. */
export interface RequestShape {
  readonly model: string;
  /** UTF-16 units of all texts that reach the model. */
  readonly characters: number;
  /** UTF-8 bytes of the body. */
  readonly bytes: number;
  /** Number of tools that the request offers. */
  readonly tools: number;
}

/**
 * Asks a configured model. Its usage is that of the request's key.
 * @param model a configured model, or `provider-id/upstream-model`
 * @returns the text of the response
 * @throws GatewayError where the model does not respond
 */
export type AskModel = (
  model: string,
  prompt: { readonly system: string; readonly user: string },
  signal: AbortSignal,
) => Promise<string>;

/** What a check knows of its request. */
export interface CheckContext {
  readonly requestId: string;
  readonly tenant: string;
  /** Regions in which the texts may be processed; undefined for everywhere. */
  readonly regions?: readonly string[] | undefined;
  /** The configured model. */
  readonly model: string;
  /** The tokens and values of the conversation. */
  readonly pseudonyms: Pseudonyms;
  /** Resolves when other requests have had their turn: long texts are read in pieces. */
  readonly pause: () => Promise<void>;
  readonly ask: AskModel;
}

/** A kind that computes its verdicts. Runs in linear time: a millisecond at most between two calls of `pause`. */
export interface TextChecker {
  readonly mode: 'sync';
  /** Reads settings of requests, too: what must not leave may be anywhere. */
  readonly readsSettings?: true;
  /** `generation`: reads requests that a model continues, and no texts to embed, rank or classify. All when absent. */
  readonly scope?: 'generation';
  /** Checks one text of a request or a complete response. Returns a promise for long texts only. */
  check(text: CheckedText, context: CheckContext): TextVerdict | Promise<TextVerdict>;
  /** Checks a text of a streamed response as it arrives. @returns undefined where it is not read */
  stream(text: Omit<CheckedText, 'text'>, context: CheckContext): TextStream | undefined;
  /** Checks the request as a whole, once, before its texts. */
  request?(shape: RequestShape, context: CheckContext): Verdict;
  /** Checks a whole response. A stream is held back until its end. */
  response?(result: ChatResult, context: CheckContext): ResponseVerdict;
}

/** Why a check gave no verdict. */
export type GuardrailFailureReason = 'timeout' | 'unavailable' | 'invalid_response' | 'failed';

/** Thrown by checks that know why they failed; other errors count as `failed`. */
export class GuardrailFailure extends Error {
  override readonly name = 'GuardrailFailure';

  constructor(
    readonly reason: GuardrailFailureReason,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** A kind that asks a server. */
export interface RemoteChecker {
  readonly mode: 'async';
  /** As of `TextChecker`. */
  readonly scope?: 'generation';
  /**
   * Checks the texts of a request, or a part of a response, in one call.
   * @param signal aborted when the time of the guardrail is over, or the client disconnected
   * @throws GuardrailFailure, or any other error: the guardrail's failure policy decides
   */
  check(texts: readonly CheckedText[], context: CheckContext, signal: AbortSignal): Promise<BatchVerdict>;
}

export type GuardrailChecker = TextChecker | RemoteChecker;

/** Which configuration requires a guardrail. */
export type GuardrailLevel = 'gateway' | 'tenant' | 'key';

/** How a guardrail is applied, whatever its kind. */
export interface GuardrailPolicy {
  readonly id: string;
  /** Names this state of its settings in explanations, logs and audit entries. */
  readonly version: string;
  readonly kind: string;
  readonly level: GuardrailLevel;
  readonly on: readonly GuardrailDirection[];
  readonly action: GuardrailAction;
  /** The effect of a check that fails or takes too long: `closed` treats the text as one with findings. */
  readonly fail: 'open' | 'closed';
  /** Milliseconds for one call of a `RemoteChecker`. */
  readonly timeoutMs: number;
  /** `beside`: a `RemoteChecker` checks requests while the provider responds, and holds the response back. */
  readonly run: 'before' | 'beside';
  /** `requested`: only for requests that name it in `x-weir-guardrails`. */
  readonly when: 'always' | 'requested';
  /** Models that it holds for; all where the list is empty. */
  readonly models: readonly string[];
}

const CHANGES: ReadonlySet<GuardrailAction> = new Set(['redact', 'pseudonymise', 'sanitise']);

/** A guardrail of a configuration, a tenant or a key: a policy, and the checker of its kind. */
export class Guardrail {
  readonly #on: ReadonlySet<GuardrailDirection>;
  readonly #models: ReadonlySet<string>;

  constructor(
    readonly policy: GuardrailPolicy,
    readonly checker: GuardrailChecker,
  ) {
    this.#on = new Set(policy.on);
    this.#models = new Set(policy.models);
  }

  get id(): string {
    return this.policy.id;
  }

  get action(): GuardrailAction {
    return this.policy.action;
  }

  /** @param requested ids that the client names */
  appliesTo(model: string, operation: Operation, requested: ReadonlySet<string>): boolean {
    if (this.checker.scope === 'generation' && operation !== 'chat' && operation !== 'completion')
      return false;
    if (this.policy.when === 'requested' && !requested.has(this.id)) return false;
    return this.#models.size === 0 || this.#models.has(model);
  }

  /** Whether it reads a text. The response of a pseudonymised request is always read, to restore the values. */
  reads({ stage, direction, isSetting }: Pick<CheckedText, 'stage' | 'direction' | 'isSetting'>): boolean {
    if (isSetting && !(this.checker.mode === 'sync' && this.checker.readsSettings)) return false;
    if (stage === 'output' && this.action === 'pseudonymise') return true;
    return this.#on.has(stage) || this.#on.has(direction);
  }

  get readsRequests(): boolean {
    return this.#on.has('input') || this.#on.has('tool_call') || this.#on.has('tool_result');
  }

  get readsResponses(): boolean {
    return this.action === 'pseudonymise' || this.#on.has('output') || this.#on.has('tool_call');
  }

  /** Whether texts with findings are replaced. */
  get changesTexts(): boolean {
    return CHANGES.has(this.action);
  }

  /** Whether it changes, or ends, responses. */
  get changesResponses(): boolean {
    return this.readsResponses && (this.changesTexts || this.action === 'block');
  }
}
