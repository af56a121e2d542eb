/**
 * The contract between Weir and plugins, version 1: the module `weir/plugin`. Types alone: a plugin needs nothing of Weir when
 * it runs. `weir plugins new` copies this file beside the plugin. Everything that passes between them is plain data (JSON).
 */

/** A value, or a promise of it. */
export type Awaitable<Value> = Value | Promise<Value>;

/** A plugin: the default export of its module. */
export interface Plugin<Config = Readonly<Record<string, unknown>>> {
  /** The version of this contract. */
  readonly apiVersion: 1;
  /** Lower-case letters, digits and "-", beginning with a letter, at most 64 characters. */
  readonly name: string;
  /** The version of the plugin itself, for `weir plugins list`. */
  readonly version?: string;
  readonly description?: string;
  /**
   * A JSON Schema of `config`, or an object of a library with the interface of Standard Schema, such as a Zod schema. Without
   * one, any configuration is accepted.
   */
  readonly config?: object;
  /** Called once, before anything else. @param config checked, with the defaults of the schema */
  setup(config: Config, host: PluginHost): Awaitable<PluginParts>;
}

/** What a plugin adds to the gateway: at least one part. */
export interface PluginParts {
  readonly interceptor?: InterceptorPart;
  readonly guardrail?: GuardrailPart;
  readonly sink?: SinkPart;
  readonly strategy?: StrategyPart;
  /** Called before the plugin is stopped; it has one second. */
  close?(): Awaitable<void>;
}

/** What a plugin may use of the gateway. */
export interface PluginHost {
  /** The id of this plugin in the configuration. */
  readonly id: string;
  /** Writes a line to the gateway's log, with the plugin's id. At most 2,000 characters. */
  log(level: 'debug' | 'info' | 'warn' | 'error', message: string): void;
  /** Adds to the metric `weir_plugin_count_total{plugin, name}`. The first 20 names count. @param amount more than 0; 1 when absent */
  count(name: string, amount?: number): void;
}

/** The kind of a request, whatever its dialect. */
export type PluginOperation = 'chat' | 'completion' | 'embedding' | 'rerank' | 'moderation' | 'count-tokens';

/** The facts of a request. */
export interface RequestFacts {
  /** The value of `x-request-id`. */
  readonly id: string;
  readonly operation: PluginOperation;
  /** The model as the client named it. */
  readonly model: string;
  readonly stream: boolean;
  readonly tenant: string;
  /** `x-weir-tags`. */
  readonly tags: readonly string[];
  /** The client's headers by lower-case name, without credentials and cookies. */
  readonly headers: Readonly<Record<string, string>>;
}

/** A text of a request: something of a user or of the conversation, a call that the model made, or the result of one. */
export interface RequestText {
  readonly kind: 'input' | 'tool_call' | 'tool_result';
  readonly text: string;
}

/** A request before it goes to a provider. */
export interface PluginRequest extends RequestFacts {
  /** The texts that reach the model, in their order. */
  readonly texts: readonly RequestText[];
}

/** One text in place of another. */
export interface TextEdit {
  /** The index of the text. */
  readonly index: number;
  readonly text: string;
}

/** What an interceptor changes in a request. */
export interface RequestChange {
  readonly texts?: readonly TextEdit[];
  /** Response headers to add: names begin with `x-`, but not with `x-weir-`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Ends the request with an error of the client's dialect: 403 `permission_denied`, or 400 `invalid_request`. */
  readonly reject?: { readonly message: string; readonly code?: 'permission_denied' | 'invalid_request' };
}

/** A text of a response. `reasoning` is what a model shows of its thoughts. */
export interface ResponseText {
  readonly kind: 'output' | 'reasoning' | 'refusal' | 'tool_call';
  readonly text: string;
}

/** A complete response before it goes to the client. */
export interface PluginResponse extends RequestFacts {
  /** In their order; empty for operations that generate no text. */
  readonly texts: readonly ResponseText[];
  /** Tokens, as far as they are known. */
  readonly usage: { readonly inputTokens?: number; readonly outputTokens?: number };
}

/** What an interceptor changes in a complete response. */
export interface ResponseChange {
  readonly texts?: readonly TextEdit[];
  /** As in `RequestChange`. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** A piece of a text of a streamed response. */
export interface TextWindow extends ResponseText {
  /** The value of `x-request-id`. */
  readonly id: string;
  /** The model as the client named it. */
  readonly model: string;
  /** Index of the alternative (`n`). */
  readonly choice: number;
  /** Nothing of this text follows. */
  readonly isLast: boolean;
}

/** The result of a window. */
export interface WindowChange {
  /** In place of the window, without the units that are kept; the window itself when absent. */
  readonly text?: string;
  /** UTF-16 units at the end of the window that are not sent yet, and begin the next window, at most 8,192; 0 when absent, or in the last window. */
  readonly keep?: number;
}

/** Sees requests and responses, and changes their texts. */
export interface InterceptorPart {
  /** Chats and legacy completions when absent. */
  readonly operations?: readonly PluginOperation[];
  /** Configured models; all when absent. */
  readonly models?: readonly string[];
  /** Called before a request goes on. @returns nothing where nothing changes */
  request?(request: PluginRequest): Awaitable<RequestChange | undefined>;
  /** Called with a complete response. @returns nothing where nothing changes */
  response?(response: PluginResponse): Awaitable<ResponseChange | undefined>;
  /** Called with each piece of a text of a streamed response, in order. @returns nothing where nothing changes */
  window?(window: TextWindow): Awaitable<WindowChange | undefined>;
}

/** A text that a guardrail checks: of a request, of a complete response, or a window of a stream. */
export interface GuardedText {
  readonly direction: 'input' | 'output' | 'tool_call' | 'tool_result';
  readonly role: 'system' | 'user' | 'assistant' | 'tool';
  readonly text: string;
}

/** A check of one or several texts. */
export interface GuardrailCheck {
  /** The value of `x-request-id`. */
  readonly id: string;
  readonly tenant: string;
  /** The configured model. */
  readonly model: string;
  readonly texts: readonly GuardedText[];
}

/** One finding. */
export interface Finding {
  /** What was found, for metrics, headers and errors: lower-case letters, digits, "_" and "-", at most 40 characters. Never the value. */
  readonly kind: string;
  /** How sure the guardrail is, 0 to 1; 1 when absent. */
  readonly score?: number;
}

/** The result of a check. The configured action decides what follows: block, redact, flag, or count alone. */
export interface GuardrailVerdict {
  readonly findings: readonly Finding[];
  /** The texts without the findings, for `action: redact`: one for each text of the check, in their order. */
  readonly texts?: readonly string[];
}

/** Checks texts; used by `guardrails:` with `kind: plugin`. */
export interface GuardrailPart {
  check(check: GuardrailCheck): Awaitable<GuardrailVerdict | undefined>;
}

/** An event of the gateway; docs/events.md lists them. */
export interface PluginEvent {
  /** Such as `config.reloaded`. */
  readonly name: string;
  /** Unix milliseconds. */
  readonly at: number;
  /** The payload; errors are texts. */
  readonly data: Readonly<Record<string, unknown>>;
}

/** Receives events. */
export interface SinkPart {
  /** Names of events, or `*` for all. */
  readonly events: readonly string[];
  /** Called with 1 to 100 events, in order, one call at a time. Events of a call that fails are not repeated. */
  handle(events: readonly PluginEvent[]): Awaitable<void>;
}

/** A target that a strategy may choose. */
export interface StrategyTarget {
  /** The id of its provider. */
  readonly provider: string;
  /** The upstream model. */
  readonly model: string;
  readonly weight: number;
  readonly tier: number;
  readonly region?: string;
}

/** A choice between the targets of a model. */
export interface StrategySelection extends RequestFacts {
  readonly targets: readonly StrategyTarget[];
}

/** The order of targets. */
export interface StrategyOrder {
  /** Indexes of the targets to try first, in this order; the others follow by `power-of-two`. */
  readonly order: readonly number[];
  /** Only these targets may be tried. */
  readonly only?: boolean;
}

/** Orders the targets of a model; used by `models:` with `strategy: plugin:<id>`. */
export interface StrategyPart {
  order(selection: StrategySelection): Awaitable<StrategyOrder | undefined>;
}
