/** The most tokens of one image: in full resolution, and with `detail: low` where the model supports that. */
export interface ImageTokens {
  readonly full: number;
  readonly low: number;
}

/**
 * By patterns of model names; the first match counts. Data from the vendors' pages on vision.
 * @see https://platform.openai.com/docs/guides/images-vision#calculating-costs tiles: base + 8 tiles of 512 px; patches of 32 px
 * @see https://docs.claude.com/en/docs/build-with-claude/vision#image-size width x height / 750, after scaling
 * @see https://ai.google.dev/gemini-api/docs/media-resolution
 */
const IMAGES: readonly (readonly [pattern: RegExp, tokens: ImageTokens])[] = [
  [/gpt-4o-mini/, { full: 48_169, low: 2_833 }],
  [/gpt-4\.1-nano|gpt-5-nano/, { full: 3_779, low: 630 }],
  [/gpt-4\.1-mini|gpt-5-mini|o4-mini/, { full: 2_642, low: 441 }],
  [
    /gpt-4(?:o|\.1|\.5|-turbo|-vision)|chatgpt-4o|gpt-5(?:\.1)?(?:-chat|-20|$)|(?:^|\/)o[13]/,
    { full: 1_445, low: 85 },
  ],
  [/claude-(?:3|(?:opus|sonnet|haiku)-4-?(?:[0-6]\b|20|$))/, { full: 1_700, low: 1_700 }],
  [/claude/, { full: 5_000, low: 5_000 }],
  [/gemini-[3-9]/, { full: 2_300, low: 2_300 }],
];

/** Open vision models scale images to at most this many tokens by default (Qwen-VL: 12.8 megapixels in 28-pixel patches). */
const OTHER: ImageTokens = { full: 16_384, low: 16_384 };

/** @returns the most tokens of an image at an upstream model */
export function imageTokens(model: string): ImageTokens {
  const name = model.toLowerCase();
  return IMAGES.find(([pattern]) => pattern.test(name))?.[1] ?? OTHER;
}
