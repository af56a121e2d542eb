import { STATIC_TABLE } from './hpack-static-table.ts';

/** The first entry of a name wins. */
const STATIC_NAMES: ReadonlyMap<string, number> = new Map(
  STATIC_TABLE.map(([name], at): [string, number] => [name, at + 1]).reverse(),
);
const STATIC_ENTRIES: ReadonlyMap<string, number> = new Map(
  STATIC_TABLE.map(([name, value], at) => [`${name}\0${value}`, at + 1]),
);

/**
 * Encodes a header block (RFC 7541) without a table of its own and without Huffman codes: blocks need no order, and the
 * client's table size does not matter.
 * @param entries names in lower case; values of printable ASCII
 */
export function encodeHeaders(entries: Iterable<readonly [name: string, value: string]>): Uint8Array {
  const out: number[] = [];
  for (const [name, value] of entries) {
    const known = STATIC_ENTRIES.get(`${name}\0${value}`);
    if (known !== undefined) {
      integer(out, 0x80, 7, known);
      continue;
    }
    // Without indexing, so that proxies may index it as they wish.
    const index = STATIC_NAMES.get(name) ?? 0;
    integer(out, 0, 4, index);
    if (index === 0) text(out, name);
    text(out, value);
  }
  return Uint8Array.from(out);
}

function integer(out: number[], pattern: number, bits: number, value: number): void {
  const limit = 2 ** bits - 1;
  if (value < limit) {
    out.push(pattern | value);
    return;
  }
  out.push(pattern | limit);
  let rest = value - limit;
  for (; rest > 127; rest = Math.floor(rest / 128)) out.push((rest % 128) | 128);
  out.push(rest);
}

function text(out: number[], value: string): void {
  integer(out, 0, 7, value.length);
  for (let at = 0; at < value.length; at += 1) out.push(value.charCodeAt(at) & 0xff);
}
