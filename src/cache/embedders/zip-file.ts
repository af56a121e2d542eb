import { inflateRawSync } from 'node:zlib';

const END = 0x06054b50;
const ENTRY = 0x02014b50;
const STORED = 0;
const DEFLATED = 8;
/** The end record may be followed by a comment of this length. Bytes. */
const MAX_COMMENT = 65_535;

/**
 * Reads one file of a ZIP archive, such as a Python wheel.
 * @param name its whole path
 * @param maxBytes a larger file is not read
 * @returns undefined where the archive does not have it, or is damaged
 * @see https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT sections 4.3.7 to 4.3.16
 */
export function readZipEntry(archive: Buffer, name: string, maxBytes: number): Buffer | undefined {
  try {
    return findEntry(archive, name, maxBytes);
  } catch {
    // Offsets beyond the end, or data that cannot be inflated.
    return undefined;
  }
}

function findEntry(archive: Buffer, name: string, maxBytes: number): Buffer | undefined {
  const end = endOf(archive);
  if (end === undefined) return undefined;
  const count = archive.readUInt16LE(end + 10);
  let at = archive.readUInt32LE(end + 16);
  for (let entry = 0; entry < count; entry += 1) {
    if (archive.readUInt32LE(at) !== ENTRY) return undefined;
    const nameLength = archive.readUInt16LE(at + 28);
    const skipped = archive.readUInt16LE(at + 30) + archive.readUInt16LE(at + 32);
    if (archive.toString('utf8', at + 46, at + 46 + nameLength) === name)
      return contentOf(archive, at, maxBytes);
    at += 46 + nameLength + skipped;
  }
  return undefined;
}

function endOf(archive: Buffer): number | undefined {
  const first = Math.max(0, archive.length - 22 - MAX_COMMENT);
  for (let at = archive.length - 22; at >= first; at -= 1) if (archive.readUInt32LE(at) === END) return at;
  return undefined;
}

function contentOf(archive: Buffer, at: number, maxBytes: number): Buffer | undefined {
  const method = archive.readUInt16LE(at + 10);
  const packed = archive.readUInt32LE(at + 20);
  const size = archive.readUInt32LE(at + 24);
  const local = archive.readUInt32LE(at + 42);
  const from = local + 30 + archive.readUInt16LE(local + 26) + archive.readUInt16LE(local + 28);
  const data = archive.subarray(from, from + packed);
  if (size > maxBytes || data.length !== packed) return undefined;
  if (method === STORED) return data;
  return method === DEFLATED ? inflateRawSync(data, { maxOutputLength: maxBytes }) : undefined;
}
