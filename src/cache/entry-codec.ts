import { promisify } from 'node:util';
import { zstdCompress, zstdDecompress } from 'node:zlib';
import { decodeUtf8, encodeUtf8, exactUtf8 } from '../core/bytes.ts';
import { isRecord } from '../core/json.ts';
import type { SecretBox } from '../platform/secret-box.ts';
import { type CacheEntry, ENTRY_FORMAT } from './cache-entry.ts';

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

/** No entry is larger when it is decompressed. Bytes. */
const MAX_BYTES = 256 * 1024 * 1024;
const RAW = 0;
const ZSTD = 1;
/** Smaller entries are not compressed. Bytes. */
const MIN_COMPRESSED = 512;

/**
 * The stored form of entries outside the process: JSON, compressed, then sealed with the installation's secret, so that an
 * entry that was changed, cut off or written by another cannot be opened. Its first byte is the stored format.
 */
export class EntryCodec<Value> {
  constructor(private readonly box: Pick<SecretBox, 'sealBytes' | 'openBytes'>) {}

  /** @returns base64 */
  async encode(entry: CacheEntry<Value>): Promise<string> {
    const json = encodeUtf8(JSON.stringify(entry, writeBytes));
    const isSmall = json.length < MIN_COMPRESSED;
    const body = isSmall ? json : await compress(json);
    const plain = Buffer.concat([Buffer.of(isSmall ? RAW : ZSTD), body]);
    return Buffer.concat([Buffer.of(ENTRY_FORMAT), this.box.sealBytes(plain)]).toString('base64');
  }

  /** @returns undefined for text of another format, or that cannot be opened */
  async decode(text: string): Promise<CacheEntry<Value> | undefined> {
    const bytes = Buffer.from(text, 'base64');
    if (bytes[0] !== ENTRY_FORMAT) return undefined;
    try {
      const plain = this.box.openBytes(bytes.subarray(1));
      const body = plain.subarray(1);
      const json = plain[0] === ZSTD ? await decompress(body, { maxOutputLength: MAX_BYTES }) : body;
      const entry: CacheEntry<Value> = JSON.parse(decodeUtf8(json), readBytes);
      return isWhole(entry) ? entry : undefined;
    } catch {
      // Damaged, or sealed with another secret: the entry is fetched again.
      return undefined;
    }
  }
}

/** Whether an entry has the members that its reader checks: another version may have written it. */
function isWhole(entry: unknown): boolean {
  if (!isRecord(entry) || !isRecord(entry.owner) || !isRecord(entry.value)) return false;
  const { format, key, storedAt, freshUntil, usableUntil, owner } = entry;
  return (
    [key, owner.tenant, owner.namespace, owner.model].every((one) => typeof one === 'string') &&
    [format, storedAt, freshUntil, usableUntil].every((one) => typeof one === 'number')
  );
}

/** Event streams are nearly always UTF-8, which compresses better than base64. */
function writeBytes(_: string, value: unknown): unknown {
  if (!(value instanceof Uint8Array)) return value;
  const text = exactUtf8(value);
  return text === undefined ? { $bytes: Buffer.from(value).toString('base64') } : { $text: text };
}

function readBytes(name: string, value: unknown): unknown {
  if (name !== 'frames' || !isRecord(value)) return value;
  if (typeof value.$text === 'string') return encodeUtf8(value.$text);
  return typeof value.$bytes === 'string' ? new Uint8Array(Buffer.from(value.$bytes, 'base64')) : value;
}
