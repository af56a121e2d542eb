import type { Citation } from '../../core/chat/request.ts';
import { asCount, asString, isRecord, type JsonObject, listOf } from '../../core/json.ts';

/** A source of a candidate, with its place in bytes of UTF-8. */
export interface GeminiCitation {
  readonly citation: Citation;
  /** Absent where the response does not say it. */
  readonly place?: { readonly startByte: number; readonly endByte: number };
  /** Index of the cited part among the parts of the candidate. */
  readonly partIndex: number | undefined;
}

/**
 * Reads the sources of a candidate: of grounding, and of text that the model quotes.
 * Source: https://ai.google.dev/api/generate-content (`GroundingMetadata`, `CitationMetadata`)
 */
export function readCitations(candidate: JsonObject): GeminiCitation[] {
  return [...groundingCitations(candidate), ...quotations(candidate)];
}

function groundingCitations(candidate: JsonObject): GeminiCitation[] {
  const grounding = isRecord(candidate.groundingMetadata) ? candidate.groundingMetadata : {};
  const chunks = listOf(grounding.groundingChunks);
  return listOf(grounding.groundingSupports).flatMap((support): GeminiCitation[] => {
    if (!isRecord(support)) return [];
    const segment = isRecord(support.segment) ? support.segment : {};
    const citedText = asString(segment.text);
    return listOf(support.groundingChunkIndices).flatMap((index): GeminiCitation[] => {
      const chunk = typeof index === 'number' ? chunks[index] : undefined;
      if (!isRecord(chunk)) return [];
      const source = [chunk.web, chunk.retrievedContext, chunk.maps, chunk.image].find(isRecord);
      const url = asString(source?.uri) ?? asString(source?.sourceUri);
      if (url === undefined) return [];
      const title = asString(source?.title);
      const citation = {
        url,
        ...(title === undefined ? {} : { title }),
        ...(citedText === undefined ? {} : { citedText }),
        raw: { dialect: 'gemini', value: { segment, chunk } },
      } as const;
      return [{ citation, ...placeOf(segment), partIndex: asCount(segment.partIndex) }];
    });
  });
}

/** The Gemini API names the list `citationSources`, Vertex AI `citations`. */
function quotations(candidate: JsonObject): GeminiCitation[] {
  const metadata = isRecord(candidate.citationMetadata) ? candidate.citationMetadata : {};
  const sources = [...listOf(metadata.citationSources), ...listOf(metadata.citations)];
  return sources.flatMap((source): GeminiCitation[] => {
    const url = isRecord(source) ? asString(source.uri) : undefined;
    if (!isRecord(source) || !url) return [];
    const title = asString(source.title);
    const citation = {
      url,
      ...(title === undefined ? {} : { title }),
      raw: { dialect: 'gemini', value: source },
    } as const;
    return [{ citation, ...placeOf(source), partIndex: undefined }];
  });
}

/** The format omits a start of 0. */
function placeOf({ startIndex, endIndex }: JsonObject): Pick<GeminiCitation, 'place'> {
  const endByte = asCount(endIndex);
  return endByte === undefined ? {} : { place: { startByte: asCount(startIndex) ?? 0, endByte } };
}

/** Gives citations their UTF-16 offsets in a text. The text is measured once, so the work is linear. */
export class CitationOffsets {
  #indices: Uint32Array | undefined;

  constructor(private readonly text: string) {}

  locate({ citation, place }: GeminiCitation): Citation {
    if (place === undefined) return citation;
    const start = this.#index(place.startByte);
    const end = Math.max(start, this.#index(place.endByte));
    return { ...citation, citedText: citation.citedText ?? this.text.slice(start, end), start, end };
  }

  #index(byte: number): number {
    this.#indices ??= utf16Indices(this.text);
    return this.#indices[byte] ?? this.text.length;
  }
}

/** @returns the UTF-16 index of each byte of a text in UTF-8 */
function utf16Indices(text: string): Uint32Array {
  const indices = new Uint32Array(Buffer.byteLength(text) + 1);
  let byte = 0;
  let index = 0;
  for (const character of text) {
    const length = Buffer.byteLength(character);
    indices.fill(index, byte, byte + length);
    byte += length;
    index += character.length;
  }
  indices[byte] = index;
  return indices;
}
