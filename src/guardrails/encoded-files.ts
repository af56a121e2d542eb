import { hasAddress } from './response-texts.ts';

/** Members that may hold a file: as base64, or as a `data:` URL. */
export const ENCODED_MEMBERS: ReadonlySet<string> = new Set([
  ...['data', 'file_data', 'url', 'image_url', 'file_url'],
]);

const DATA_URL = /^data:([^;,]{0,200})((?:;[^;,]{0,200}){0,5}),/i;
const TEXT_TYPE =
  /^(?:text\/|application\/(?:json|xml|csv|yaml|x-yaml|x-ndjson|jsonl?|sql|javascript|toml|rtf|[\w.-]+\+(?:json|xml)))/i;
const BASE64 = /^[A-Za-z0-9+/\r\n]{1,}={0,2}\s*$/;
const decoder = new TextDecoder('utf-8', { fatal: true });

/**
 * Changes the text of a file that a request carries. Images, audio, PDF and other binary files stay as they are.
 * @param owner the object that has the member; its `media_type` says what the file is
 * @returns the same value where nothing changed
 */
export function mapEncoded(owner: object, value: string, map: (text: string) => string): string {
  if ('type' in owner && owner.type === 'text') return value === '' ? value : map(value);
  const url = DATA_URL.exec(value);
  if (url) {
    const [whole, type = '', parameters = ''] = url;
    const isBase64 = /;base64$/i.test(parameters);
    const content = value.slice(whole.length);
    // Parameters such as the name of the file.
    const head = hasAddress(parameters) ? whole.replace(parameters, map(parameters)) : whole;
    const text = isBase64 ? decodedText(content, type) : percentDecoded(content, type);
    if (text === undefined) return head === whole ? value : head + content;
    const mapped = map(text);
    if (mapped === text) return head === whole ? value : head + content;
    return head + (isBase64 ? Buffer.from(mapped).toString('base64') : encodeURIComponent(mapped));
  }
  if (value.includes(':')) return value;
  const text = decodedText(value, mediaTypeOf(owner));
  if (text === undefined) return value;
  const mapped = map(text);
  return mapped === text ? value : Buffer.from(mapped).toString('base64');
}

function mediaTypeOf(owner: object): string {
  if ('media_type' in owner && typeof owner.media_type === 'string') return owner.media_type;
  return 'mime_type' in owner && typeof owner.mime_type === 'string' ? owner.mime_type : '';
}

/** @returns the text of a file in base64; undefined where it is none */
function decodedText(base64: string, type: string): string | undefined {
  if (type !== '' && !TEXT_TYPE.test(type)) return undefined;
  if (base64 === '' || !BASE64.test(base64)) return undefined;
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.includes(0)) return undefined;
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

function percentDecoded(content: string, type: string): string | undefined {
  if (type !== '' && !TEXT_TYPE.test(type)) return undefined;
  try {
    return decodeURIComponent(content);
  } catch {
    return undefined;
  }
}
