/** Castagnoli's polynomial, reflected. */
const POLYNOMIAL = 0x82f63b78;

/**
 * CRC-32C of some bytes, bit by bit: secrets are short.
 * @returns an unsigned 32-bit number
 * @see https://datatracker.ietf.org/doc/html/rfc3385
 */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}
