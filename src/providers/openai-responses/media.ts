import type { AudioPart, FilePart, ImagePart } from '../../core/chat/request.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Warn } from '../../core/warning.ts';

/** An item or content part of the API. */
export type Item = Readonly<Record<string, unknown>>;

const IMAGE_TYPES: ReadonlySet<string> = new Set(['image/png', 'image/jpeg', 'image/webp', 'image/gif']);

function dataUrl(mediaType: string, data: string): string {
  return `data:${mediaType};base64,${data}`;
}

/** Converts a media part. @returns undefined, with a warning, for a part that the API does not support */
export function mediaItem(part: ImagePart | FilePart | AudioPart, at: string, warn: Warn): Item | undefined {
  const { source } = part;
  if (source.kind === 'file-id' && source.origin !== 'openai') {
    warn({
      kind: 'unsupported',
      param: at,
      message: 'The target does not have a file that was uploaded to another provider; it was omitted.',
    });
    return undefined;
  }
  if (part.type === 'image') return imageItem(part, at);
  if (part.type === 'file') return fileItem(part, at, warn);
  warn({ kind: 'unsupported', param: at, message: 'The target does not support audio; it was omitted.' });
  return undefined;
}

function imageItem({ source, detail = 'auto' }: ImagePart, at: string): Item {
  switch (source.kind) {
    case 'base64': {
      const mediaType = source.mediaType.toLowerCase();
      if (!IMAGE_TYPES.has(mediaType)) {
        throw new GatewayError(
          'invalid_request',
          `${at}: images of type "${source.mediaType}" are not supported; allowed are ${[...IMAGE_TYPES].join(', ')}.`,
          { param: at },
        );
      }
      return { type: 'input_image', detail, image_url: dataUrl(mediaType, source.data) };
    }
    case 'url':
      return { type: 'input_image', detail, image_url: source.url };
    case 'file-id':
      return { type: 'input_image', detail, file_id: source.id };
    case 'text':
      throw new GatewayError('invalid_request', `${at}: an image can't be given as text.`, { param: at });
  }
}

function fileItem(part: FilePart, at: string, warn: Warn): Item {
  const { source, citations, context } = part;
  const filename = part.filename ?? part.title;
  if (citations === true) {
    warn({
      kind: 'unsupported',
      param: `${at}.citations`,
      message: 'The target does not cite documents within a message.',
    });
  }
  if (context !== undefined) {
    warn({
      kind: 'unsupported',
      param: `${at}.context`,
      message: 'The target does not support the context of a document; it was omitted.',
    });
  }
  const named = filename === undefined ? {} : { filename };
  switch (source.kind) {
    case 'base64':
      return {
        type: 'input_file',
        // The API requires a name for data.
        filename: filename ?? `document${extensionOf(source.mediaType)}`,
        file_data: dataUrl(source.mediaType, source.data),
      };
    case 'url':
      return { type: 'input_file', ...named, file_url: source.url };
    case 'file-id':
      return { type: 'input_file', file_id: source.id };
    case 'text':
      return {
        type: 'input_file',
        filename: filename ?? 'document.txt',
        file_data: dataUrl(source.mediaType, Buffer.from(source.text, 'utf8').toString('base64')),
      };
  }
}

function extensionOf(mediaType: string): string {
  const subtype = /^[a-z]+\/([a-z0-9]+)$/i.exec(mediaType)?.[1]?.toLowerCase();
  if (subtype === 'plain') return '.txt';
  return subtype === undefined || subtype.length > 5 ? '' : `.${subtype}`;
}
