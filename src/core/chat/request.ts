/**
 * The canonical form of a chat request: the union of all client dialects and provider formats. A request is converted to it
 * only when the client's dialect differs from the target's format; otherwise the body is forwarded.
 *
 * Absent means unspecified, which differs from a default, 0 and an empty list.
 */

/**
 * Names of the vendors that issue values which only they can read: reasoning signatures, encrypted blocks. Providers add
 * theirs by declaration merging (`src/providers/origins.ts`).
 */
export interface Origins {
  /** A vendor without a name of its own here: its values return to no other. */
  readonly other: true;
}

/** A vendor that issues values which only it can read. */
export type Origin = keyof Origins;

/** An opaque value that must return unchanged to its origin, and must not be sent to any other provider. */
export interface Signature {
  readonly origin: Origin;
  /** May be empty: an empty signed block must survive too. */
  readonly value: string;
}

/** Marks the end of a prompt prefix that the provider should cache. */
export interface CacheControl {
  readonly type: 'ephemeral';
  readonly ttl?: '5m' | '1h';
}

/** Content of an image, audio or file part. */
export type MediaSource =
  | { readonly kind: 'base64'; readonly mediaType: string; readonly data: string }
  | { readonly kind: 'url'; readonly url: string; readonly mediaType?: string }
  /** A file that was uploaded to a provider; its id is valid only there. */
  | { readonly kind: 'file-id'; readonly id: string; readonly origin: Origin }
  /** A plain-text document. */
  | { readonly kind: 'text'; readonly mediaType: string; readonly text: string };

/** The source of a statement in a response. `raw` is the provider's object. */
export interface Citation {
  readonly url?: string;
  readonly title?: string;
  readonly citedText?: string;
  /** UTF-16 offsets into its text part; `end` is exclusive. */
  readonly start?: number;
  readonly end?: number;
  /** Index of the cited document among the documents of the request, in order. */
  readonly documentIndex?: number;
  /** Place of the cited text in that document: characters and blocks from 0, pages from 1; `end` is exclusive. */
  readonly location?: {
    readonly unit: 'char' | 'page' | 'block';
    readonly start: number;
    readonly end: number;
  };
  readonly raw: { readonly dialect: WireFormat; readonly value: Readonly<Record<string, unknown>> };
}

/**
 * Names of wire formats, by which values without a canonical form say where they belong. Each folder that reads or writes
 * a format adds its name by declaration merging (`wire-formats.d.ts` in `src/providers` and `src/api`).
 */
// biome-ignore lint/suspicious/noEmptyInterface: filled by declaration merging
export interface WireFormats {}

/** Name of a wire format. */
export type WireFormat = keyof WireFormats;

interface Cacheable {
  readonly cacheControl?: CacheControl;
}

/** A text. */
export interface TextPart extends Cacheable {
  readonly type: 'text';
  readonly text: string;
  readonly citations?: readonly Citation[];
  /** Some vendors sign text parts too. */
  readonly signature?: Signature;
}

/** An image. */
export interface ImagePart extends Cacheable {
  readonly type: 'image';
  readonly source: MediaSource;
  /** The resolution at which the model sees it: `low`, `high` or `auto`. */
  readonly detail?: string;
  /** Some vendors sign the images of a model. */
  readonly signature?: Signature;
}

/** An audio recording. */
export interface AudioPart extends Cacheable {
  readonly type: 'audio';
  readonly source: MediaSource;
}

/** A document. */
export interface FilePart extends Cacheable {
  readonly type: 'file';
  readonly source: MediaSource;
  readonly filename?: string;
  /** Title and context of a document, shown to the model beside its content. */
  readonly title?: string;
  readonly context?: string;
  /** Whether the response should cite the document. */
  readonly citations?: boolean;
}

/** A tool call of the model. */
export interface ToolCallPart extends Cacheable {
  readonly type: 'tool-call';
  readonly id: string;
  readonly name: string;
  /** The group of tools that the name belongs to, where tools are grouped. */
  readonly namespace?: string;
  /** JSON text exactly as the model wrote it; empty for no arguments. May be malformed. */
  readonly arguments: string;
  /** `custom` tools take free text instead of JSON. */
  readonly kind?: 'function' | 'custom';
  /** Signature of the reasoning before the call; it must return with the call. */
  readonly signature?: Signature;
}

/** The result of one tool call. */
export interface ToolResultPart extends Cacheable {
  readonly type: 'tool-result';
  readonly callId: string;
  /** May be empty. */
  readonly content: readonly (TextPart | ImagePart | FilePart | UnknownPart)[];
  readonly isError?: boolean;
  readonly kind?: 'function' | 'custom';
}

/** Reasoning of a model. The text is empty where the provider shows none. */
export interface ReasoningPart extends Cacheable {
  readonly type: 'reasoning';
  readonly text: string;
  readonly signature?: Signature;
  /** Encrypted reasoning that only its vendor can read (`redacted_thinking`, `encrypted_content`). */
  readonly redacted?: Signature;
  /** The provider's id of the item, where items have ids. */
  readonly id?: string;
  /** The text is a summary of the reasoning. */
  readonly summary?: boolean;
}

/** The text with which the model declined. */
export interface RefusalPart {
  readonly type: 'refusal';
  readonly text: string;
}

/** A part without a canonical form. It is forwarded to targets of the same wire format; other targets cause a warning. */
export interface UnknownPart {
  readonly type: 'unknown';
  readonly dialect: WireFormat;
  readonly value: Readonly<Record<string, unknown>>;
}

/** Instructions to the model. */
export interface SystemMessage {
  /** `developer` is the newer name of `system`; kept apart because some upstreams know only one of them. */
  readonly role: 'system' | 'developer';
  readonly content: readonly (TextPart | UnknownPart)[];
  readonly name?: string;
}

/** A part of a user message. */
export type UserPart = TextPart | ImagePart | AudioPart | FilePart | UnknownPart;

/** A turn of the user. */
export interface UserMessage {
  readonly role: 'user';
  readonly content: readonly UserPart[];
  readonly name?: string;
}

/** A part of a turn of the model. */
export type AssistantPart =
  | TextPart
  | ReasoningPart
  | ToolCallPart
  | RefusalPart
  | ImagePart
  | AudioPart
  | UnknownPart;

/** A turn of the model, with its parts in their original order. */
export interface AssistantMessage {
  readonly role: 'assistant';
  readonly content: readonly AssistantPart[];
  readonly name?: string;
}

/** The results of the tool calls in the assistant message before it. */
export interface ToolMessage {
  readonly role: 'tool';
  readonly content: readonly ToolResultPart[];
}

/** One message of a conversation. */
export type Message = SystemMessage | UserMessage | AssistantMessage | ToolMessage;

/** A JSON Schema, not validated. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** Members of a client's body that only targets of the same wire format support, by name. */
export interface Extensions {
  readonly dialect: WireFormat;
  readonly members: Readonly<Record<string, unknown>>;
}

/** A tool that the client implements. */
export interface FunctionTool extends Cacheable {
  readonly type: 'function';
  readonly name: string;
  readonly description?: string;
  /** JSON Schema of the arguments, unchanged. */
  readonly parameters?: JsonSchema;
  readonly strict?: boolean;
  /** Members without a canonical form, by their path in the tool, such as `defer_loading` or `function.examples`. */
  readonly extensions?: Extensions;
}

/** A tool that one vendor provides: server-side search, code execution, free-text tools with a grammar. */
export interface UnknownTool {
  readonly type: 'unknown';
  readonly dialect: WireFormat;
  readonly name: string | undefined;
  readonly value: Readonly<Record<string, unknown>>;
}

/** A tool that the model may call. */
export type Tool = FunctionTool | UnknownTool;

/** Whether and which tools the model must call. */
export type ToolChoice =
  | { readonly type: 'auto' | 'none' | 'required' }
  | { readonly type: 'tool'; readonly name: string; readonly namespace?: string }
  | { readonly type: 'allowed'; readonly mode: 'auto' | 'required'; readonly names: readonly string[] };

/** Format of the response text. */
export type ResponseFormat =
  | { readonly type: 'text' }
  /** Any JSON object. */
  | { readonly type: 'json' }
  | {
      readonly type: 'json-schema';
      readonly name?: string;
      readonly description?: string;
      readonly schema: JsonSchema;
      readonly strict?: boolean;
    };

/** `xhigh` and `max` exist for some models only. */
export type ReasoningEffort = 'none' | 'minimal' | 'low' | 'medium' | 'high' | 'xhigh' | 'max';

/** How much the model reasons. Clients send an effort or a budget; adapters convert them by model family. */
export interface ReasoningSettings {
  readonly effort?: ReasoningEffort;
  /** Tokens. */
  readonly budgetTokens?: number;
  /** False disables reasoning; true leaves the amount to the model. */
  readonly enabled?: boolean;
  /** How reasoning is shown: `auto`, `concise` or `detailed`. `none` hides it. */
  readonly summary?: string;
}

/** A canonical chat request. */
export interface ChatRequest {
  /** In order; never empty. System messages may be at any position. */
  readonly messages: readonly Message[];
  readonly tools?: readonly Tool[];
  readonly toolChoice?: ToolChoice;
  readonly parallelToolCalls?: boolean;
  readonly maxOutputTokens?: number;
  readonly temperature?: number;
  readonly topP?: number;
  readonly topK?: number;
  readonly frequencyPenalty?: number;
  readonly presencePenalty?: number;
  readonly seed?: number;
  readonly stopSequences?: readonly string[];
  /** Number of alternative responses (`n`). */
  readonly choices?: number;
  readonly logprobs?: { readonly top?: number };
  readonly logitBias?: Readonly<Record<string, number>>;
  readonly responseFormat?: ResponseFormat;
  readonly reasoning?: ReasoningSettings;
  /** Length of the response: `low`, `medium` or `high`. */
  readonly verbosity?: string;
  /** Id of the end user, for the provider's abuse detection. */
  readonly user?: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
  readonly serviceTier?: string;
  readonly promptCacheKey?: string;
  /** Kinds of output, such as `text`, `audio` or `image`. */
  readonly modalities?: readonly string[];
  /** Cache the whole prompt (`cache_control` at the top level of a request). */
  readonly cacheControl?: CacheControl;
  /**
   * Members of the client's body without a canonical form, by name. A target of the same wire format receives them; other
   * targets cause a warning for each.
   */
  readonly extensions?: Extensions;
  /**
   * The last message is the beginning of the response. A target that cannot continue it receives this instruction as a
   * message of the user after it.
   */
  readonly continueWith?: string;
}
