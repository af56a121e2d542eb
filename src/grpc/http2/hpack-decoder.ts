import { HpackError } from './hpack-error.ts';
import { decodeHuffman } from './hpack-huffman.ts';
import { STATIC_TABLE } from './hpack-static-table.ts';

export { HpackError } from './hpack-error.ts';

export type HeaderEntry = readonly [name: string, value: string];

/** Bytes of the dynamic table: the default of HTTP/2, which Weir does not change. */
export const HEADER_TABLE_SIZE = 4096;
/** What an entry takes in addition to its texts (RFC 7541, section 4.1). */
const ENTRY_OVERHEAD = 32;

const NO_ENTRY: HeaderEntry = ['', ''];

/** Decodes the header blocks of one connection, in their order (RFC 7541). */
export class HpackDecoder {
  /** The newest entry is first. */
  readonly #table: HeaderEntry[] = [];
  #tableSize = 0;
  #maxSize = HEADER_TABLE_SIZE;

  /**
   * Decodes a block. Entries beyond `maxListSize` are decoded, because they may change the table, and are not returned: an
   * entry of the table is one byte on the wire.
   * @param maxListSize bytes of all names and values, with 32 for each entry
   * @returns undefined for a list that is larger
   * @throws HpackError
   */
  decode(block: Uint8Array, maxListSize: number): HeaderEntry[] | undefined {
    const entries: HeaderEntry[] = [];
    const reader = new BlockReader(block);
    let size = 0;
    let mayResize = true;
    while (!reader.atEnd) {
      const byte = reader.peek();
      if ((byte & 0xe0) === 0x20) {
        if (!mayResize) throw new HpackError('the table size changes within a block');
        this.#resize(reader.integer(5));
        continue;
      }
      mayResize = false;
      const entry = this.#entry(reader, byte);
      size += sizeOf(entry);
      if (size <= maxListSize) entries.push(entry);
    }
    return size <= maxListSize ? entries : undefined;
  }

  #entry(reader: BlockReader, byte: number): HeaderEntry {
    if (byte & 0x80) return this.#at(reader.integer(7));
    const isAdded = (byte & 0x40) !== 0;
    const index = reader.integer(isAdded ? 6 : 4);
    const name = index === 0 ? reader.text() : this.#at(index)[0];
    const entry: HeaderEntry = [name, reader.text()];
    if (isAdded) this.#add(entry);
    return entry;
  }

  #at(index: number): HeaderEntry {
    const found = STATIC_TABLE[index - 1] ?? this.#table[index - 1 - STATIC_TABLE.length];
    if (index === 0 || !found) throw new HpackError('a header refers to an entry that does not exist');
    return found;
  }

  #add(entry: HeaderEntry): void {
    this.#table.unshift(entry);
    this.#tableSize += sizeOf(entry);
    this.#evict();
  }

  #resize(size: number): void {
    if (size > HEADER_TABLE_SIZE) throw new HpackError('the table is larger than allowed');
    this.#maxSize = size;
    this.#evict();
  }

  #evict(): void {
    while (this.#tableSize > this.#maxSize) this.#tableSize -= sizeOf(this.#table.pop() ?? NO_ENTRY);
  }
}

function sizeOf([name, value]: HeaderEntry): number {
  return name.length + value.length + ENTRY_OVERHEAD;
}

const MAX_INTEGER = 0xfff_ffff;

class BlockReader {
  #at = 0;

  constructor(private readonly block: Uint8Array) {}

  get atEnd(): boolean {
    return this.#at >= this.block.length;
  }

  peek(): number {
    return this.block[this.#at] ?? 0;
  }

  /** @param bits of the first byte that belong to the number */
  integer(bits: number): number {
    const limit = 2 ** bits - 1;
    let value = this.#next() & limit;
    if (value < limit) return value;
    for (let shift = 1; ; shift *= 128) {
      const byte = this.#next();
      value += (byte & 0x7f) * shift;
      if (value > MAX_INTEGER || shift > MAX_INTEGER) throw new HpackError('a number is too large');
      if (byte < 0x80) return value;
    }
  }

  text(): string {
    const isHuffman = (this.peek() & 0x80) !== 0;
    const length = this.integer(7);
    const from = this.#at;
    const to = from + length;
    if (to > this.block.length) throw new HpackError('a block ends within a text');
    this.#at = to;
    if (isHuffman) return decodeHuffman(this.block, from, to);
    return Buffer.from(this.block.buffer, this.block.byteOffset + from, length).toString('latin1');
  }

  #next(): number {
    const byte = this.block[this.#at];
    if (byte === undefined) throw new HpackError('a block ends within a number');
    this.#at += 1;
    return byte;
  }
}
