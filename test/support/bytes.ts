/** Bytes for tests: conversion, joining, and deterministic cutting at unkind places. */
export type Bytes = string | Uint8Array;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Strings are encoded as UTF-8. */
export function toBytes(value: Bytes): Uint8Array {
  return typeof value === 'string' ? encoder.encode(value) : value;
}

/** Decodes UTF-8, malformed sequences as U+FFFD. */
export function toText(bytes: Bytes | undefined): string {
  return bytes === undefined ? '' : decoder.decode(toBytes(bytes));
}

export function joinBytes(pieces: readonly Bytes[]): Uint8Array {
  const parts = pieces.map(toBytes);
  const joined = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}

/** Index of the first occurrence of `needle` at or after `from`, or -1. */
export function indexOfBytes(haystack: Uint8Array, needle: Uint8Array, from = 0): number {
  return Buffer.from(haystack.buffer, haystack.byteOffset, haystack.length).indexOf(needle, from);
}

/** Uniform numbers in [0, 1) that depend on the seed only (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Shuffles in place (Fisher-Yates) and returns its argument. */
function shuffle(values: number[], random: () => number): number[] {
  for (let last = values.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    const moved = values[last] ?? 0;
    values[last] = values[other] ?? 0;
    values[other] = moved;
  }
  return values;
}

const CR = 13;
const LF = 10;

/** Cut positions inside a UTF-8 sequence, and those inside a CRLF or between two line feeds. */
function unkindCuts(bytes: Uint8Array): { insideCharacter: number[]; insideLineEnd: number[] } {
  const insideCharacter: number[] = [];
  const insideLineEnd: number[] = [];
  for (let at = 1; at < bytes.length; at++) {
    const before = bytes[at - 1];
    const after = bytes[at] ?? 0;
    if ((after & 0xc0) === 0x80) insideCharacter.push(at);
    else if (after === LF && (before === CR || before === LF)) insideLineEnd.push(at);
  }
  return { insideCharacter, insideLineEnd };
}

/**
 * Cuts `bytes` into `pieces` non-empty pieces (fewer when there are fewer bytes; 2 to 40 by the seed when not
 * given). The same seed gives the same cuts. Up to a quarter of the cuts fall inside UTF-8 sequences and up to
 * a quarter inside line ends, at least one of each where the bytes have any and two cuts are made; the rest
 * fall anywhere.
 */
export function splitAtRandom(bytes: Uint8Array, seed: number, pieces?: number): Uint8Array[] {
  if (bytes.length === 0) return [];
  const random = seededRandom(seed);
  const wanted = Math.min((pieces ?? 2 + Math.floor(random() * 39)) - 1, bytes.length - 1);
  if (wanted < 1) return [bytes];

  const share = Math.max(1, Math.floor(wanted / 4));
  const { insideCharacter, insideLineEnd } = unkindCuts(bytes);
  const cuts = new Set(
    [
      ...shuffle(insideCharacter, random).slice(0, share),
      ...shuffle(insideLineEnd, random).slice(0, share),
    ].slice(0, wanted),
  );
  if (wanted > bytes.length / 2) {
    const rest = Array.from({ length: bytes.length - 1 }, (_, index) => index + 1);
    for (const cut of shuffle(rest, random)) {
      if (cuts.size >= wanted) break;
      cuts.add(cut);
    }
  } else {
    while (cuts.size < wanted) cuts.add(1 + Math.floor(random() * (bytes.length - 1)));
  }

  const bounds = [0, ...[...cuts].sort((left, right) => left - right), bytes.length];
  return bounds.slice(1).map((end, index) => bytes.subarray(bounds[index], end));
}
