import { asString, isRecord, type JsonObject } from '../core/json.ts';
import { NO_MEDIA, type PromptMedia } from '../core/request-demand.ts';

/** Media are at most this many values deep: in messages, their content, tool results, and documents made of blocks. */
const DEPTH = 12;

/** Types of items and content parts that are text, in any dialect. Every other type may refer to content of any size. */
const TEXT_TYPES: ReadonlySet<unknown> = new Set([
  'message',
  'text',
  'input_text',
  'output_text',
  'summary_text',
  'reasoning_text',
  'refusal',
  'reasoning',
  'thinking',
  'redacted_thinking',
  'tool_use',
  'server_tool_use',
  'search_result',
]);
const TEXT_SUFFIX = /_(?:call|output|result)$/;
const TEXT_MEDIA = /^(?:text\/|application\/(?:json|xml|x-ndjson|javascript))/i;

type Kind = 'image' | 'audio' | 'other';

/**
 * Measures the media in a prompt, in all dialects: their part types have different names. Linear in the number of parts.
 * @param prompt messages, items or text
 */
export function promptMedia(prompt: unknown): PromptMedia {
  if (typeof prompt !== 'object' || prompt === null) return NO_MEDIA;
  const tally = new MediaTally();
  tally.visit(prompt, DEPTH);
  return tally;
}

class MediaTally implements PromptMedia {
  images = 0;
  lowDetailImages = 0;
  audioLength = 0;
  encodedLength = 0;
  unseen = 0;

  visit(value: unknown, depth: number): void {
    if (depth === 0) return;
    if (Array.isArray(value)) {
      for (const part of value) if (typeof part === 'object' && part !== null) this.visit(part, depth - 1);
      return;
    }
    if (!isRecord(value)) return;
    this.#part(value);
    const { content, output, source } = value;
    if (typeof content === 'object') this.visit(content, depth - 1);
    if (typeof output === 'object') this.visit(output, depth - 1);
    if (isRecord(source) && source.type === 'content') this.visit(source.content, depth - 1);
  }

  #part(part: JsonObject): void {
    const { type } = part;
    switch (type) {
      case undefined:
        break;
      case 'image_url':
        this.#imageUrl(part.image_url);
        break;
      case 'input_image':
      case 'computer_screenshot':
        this.#content('image', part.image_url, part.detail);
        break;
      case 'image':
      case 'document':
        this.#source(type === 'image' ? 'image' : 'other', part.source);
        break;
      case 'image_generation_call':
        if (typeof part.result === 'string') this.#encoded('image', part.result, undefined);
        break;
      case 'input_audio':
        this.#content('audio', isRecord(part.input_audio) ? part.input_audio.data : part.input_audio);
        break;
      case 'file':
        this.#file(isRecord(part.file) ? part.file : {});
        break;
      case 'input_file':
        this.#file(part);
        break;
      default:
        if (!TEXT_TYPES.has(type) && !TEXT_SUFFIX.test(String(type))) this.unseen += 1;
    }
    // An earlier spoken response, which the vendor has stored.
    if (isRecord(part.audio) && part.audio.id !== undefined) this.unseen += 1;
  }

  #imageUrl(image: unknown): void {
    const { url, detail } = isRecord(image) ? image : { url: image, detail: undefined };
    this.#content('image', url, detail);
  }

  /** A `source` object, as of Anthropic. */
  #source(kind: Kind, source: unknown): void {
    if (!isRecord(source)) return;
    if (source.type === 'text' || source.type === 'content') return;
    if (source.type === 'base64' && typeof source.data === 'string') {
      this.#encoded(kindOf(asString(source.media_type)) ?? kind, source.data, undefined);
    } else this.#content(kind, undefined);
  }

  #file({ file_data: data, filename }: JsonObject): void {
    const isText = /\.(?:txt|md|csv|json|xml|html?)$/i.test(asString(filename) ?? '');
    // Text counts by its length, as the rest of the body does.
    if (typeof data === 'string' && isText && !data.startsWith('data:') && !data.startsWith('http')) return;
    this.#content('other', data);
  }

  /** @param content a URL, a `data:` URL or base64; anything else is content that is stored elsewhere */
  #content(kind: Kind, content: unknown, detail?: unknown): void {
    if (typeof content !== 'string' || /^[a-z][a-z0-9+.-]{0,20}:\/\//i.test(content)) {
      this.#add(kind, 0, detail);
      return;
    }
    if (!content.startsWith('data:')) {
      this.#encoded(kind, content, detail);
      return;
    }
    const mediaType = content.slice(5, content.slice(0, 200).search(/[;,]/));
    const declared = kindOf(mediaType);
    if (declared !== 'text') this.#encoded(declared ?? kind, content, detail);
  }

  #encoded(kind: Kind | 'text', data: string, detail: unknown): void {
    if (kind === 'text') return;
    this.encodedLength += data.length;
    this.#add(kind, data.length, detail);
  }

  #add(kind: Kind, length: number, detail: unknown): void {
    if (kind === 'image') {
      if (detail === 'low') this.lowDetailImages += 1;
      else this.images += 1;
    } else if (kind === 'audio' && length > 0) this.audioLength += length;
    else this.unseen += 1;
  }
}

/** @returns undefined for no media type */
function kindOf(mediaType: string | undefined): Kind | 'text' | undefined {
  if (mediaType === undefined || mediaType === '') return undefined;
  if (/^image\//i.test(mediaType)) return 'image';
  if (/^audio\//i.test(mediaType)) return 'audio';
  return TEXT_MEDIA.test(mediaType) ? 'text' : 'other';
}
