/** The categories of moderation, in the order in which responses list them. */
export const MODERATION_CATEGORIES = [
  'harassment',
  'harassment/threatening',
  'hate',
  'hate/threatening',
  'illicit',
  'illicit/violent',
  'self-harm',
  'self-harm/intent',
  'self-harm/instructions',
  'sexual',
  'sexual/minors',
  'violence',
  'violence/graphic',
] as const;

export type ModerationCategory = (typeof MODERATION_CATEGORIES)[number];

/** One input with a verdict of its own: a text, or the parts of one message. */
export interface ModerationInput {
  readonly texts: readonly string[];
  /** Number of its images. */
  readonly images: number;
}

/** A canonical moderation request. */
export interface ModerationRequest {
  readonly inputs: readonly ModerationInput[];
}

/** The verdict on one input. */
export interface ModerationVerdict {
  /** From 0 to 1; absent for 0. */
  readonly scores: Readonly<Partial<Record<ModerationCategory, number>>>;
  /** The categories whose score reaches the threshold. */
  readonly flagged: readonly ModerationCategory[];
}

/** A canonical moderation response. */
export interface ModerationResult {
  readonly id?: string;
  readonly model: string;
  /** One for each input, in their order. */
  readonly verdicts: readonly ModerationVerdict[];
}
