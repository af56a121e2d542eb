import type {
  AudioPart,
  FilePart,
  ImagePart,
  MediaSource,
  TextPart,
  UnknownPart,
  UserPart,
} from '../../../core/chat/request.ts';
import { GatewayError } from '../../../core/errors.ts';
import { asString, type JsonObject, ownValue } from '../../../core/json.ts';
import { fieldReaders } from '../../fields.ts';

export function invalid(param: string, message: string): GatewayError {
  return new GatewayError('invalid_request', `"${param}" is not valid: ${message}`, { param });
}

export const {
  requiredText,
  requiredObject,
  cacheControl: cacheControlOf,
  cacheMark,
} = fieldReaders(invalid);

const DATA_URL = /^data:([\w.+-]+\/[\w.+-]+)?(?:;[\w=.+-]+)*?(;base64)?,/;

/** A URL, or the data that a `data:` URL holds. */
export function mediaSource(url: string, param: string): MediaSource {
  if (!url.startsWith('data:')) {
    if (!/^(?:https?|gs|s3):\/\//i.test(url)) throw invalid(param, 'an http, https or data URL is expected');
    return { kind: 'url', url };
  }
  const match = DATA_URL.exec(url);
  if (!match) throw invalid(param, 'this data URL has no media type or no data');
  const mediaType = match[1] ?? 'text/plain';
  const data = url.slice(match[0].length);
  if (match[2]) return { kind: 'base64', mediaType, data };
  return { kind: 'base64', mediaType, data: Buffer.from(decodedData(data, param)).toString('base64') };
}

function decodedData(data: string, param: string): string {
  try {
    return decodeURIComponent(data);
  } catch {
    throw invalid(param, 'the data of this data URL have an invalid encoding');
  }
}

const AUDIO_TYPES: Readonly<Record<string, string>> = {
  mp3: 'audio/mpeg',
  wav: 'audio/wav',
  pcm16: 'audio/L16',
};

export function imagePart(part: JsonObject, param: string): ImagePart {
  const given = typeof part.image_url === 'string' ? { url: part.image_url } : part.image_url;
  const image = requiredObject(given, `${param}.image_url`);
  const url = requiredText(image.url, `${param}.image_url.url`);
  const detail = asString(image.detail);
  return {
    type: 'image',
    source: mediaSource(url, `${param}.image_url.url`),
    ...(detail === undefined ? {} : { detail }),
  };
}

function audioPart(part: JsonObject, param: string): AudioPart {
  const audio = requiredObject(part.input_audio, `${param}.input_audio`);
  const data = requiredText(audio.data, `${param}.input_audio.data`);
  const format = requiredText(audio.format, `${param}.input_audio.format`);
  return {
    type: 'audio',
    source: { kind: 'base64', mediaType: ownValue(AUDIO_TYPES, format) ?? `audio/${format}`, data },
  };
}

function filePart(part: JsonObject, param: string): FilePart {
  const file = requiredObject(part.file, `${param}.file`);
  const filename = asString(file.filename);
  const named = filename === undefined ? {} : { filename };
  if (typeof file.file_id === 'string') {
    return { type: 'file', source: { kind: 'file-id', id: file.file_id, origin: 'openai' }, ...named };
  }
  const data = requiredText(file.file_data, `${param}.file.file_data`);
  // Some clients send bare base64, with the type in the name.
  const source: MediaSource = /^(?:data:|https?:)/.test(data)
    ? mediaSource(data, `${param}.file.file_data`)
    : {
        kind: 'base64',
        mediaType: /\.pdf$/i.test(filename ?? '.pdf') ? 'application/pdf' : 'text/plain',
        data,
      };
  return { type: 'file', source, ...named };
}

function withCache<Part extends UserPart>(part: Part, given: JsonObject, param: string): Part {
  return { ...part, ...cacheMark(given, param) };
}

/** One content part of a user message. */
function userPart(value: unknown, param: string): UserPart {
  const part = requiredObject(value, param);
  switch (part.type) {
    case 'text':
      return withCache({ type: 'text', text: requiredText(part.text, `${param}.text`) }, part, param);
    case 'image_url':
      return withCache(imagePart(part, param), part, param);
    case 'input_audio':
      return withCache(audioPart(part, param), part, param);
    case 'file':
      return withCache(filePart(part, param), part, param);
    default:
      return { type: 'unknown', dialect: 'openai-chat', value: part };
  }
}

/** Content that is text or a list of parts. */
export function userContent(content: unknown, param: string): UserPart[] {
  if (typeof content === 'string') return [{ type: 'text', text: content }];
  if (Array.isArray(content)) return content.map((part, index) => userPart(part, `${param}[${index}]`));
  throw invalid(param, 'text or a list of content parts is expected');
}

/** The same where only text makes sense. */
export function textContent(content: unknown, param: string): (TextPart | UnknownPart)[] {
  return userContent(content, param).map((part, index) => {
    if (part.type === 'text' || part.type === 'unknown') return part;
    throw invalid(`${param}[${index}].type`, '"text" is expected here');
  });
}
