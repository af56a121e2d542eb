/** SHA-256 of a text's UTF-8 bytes, in lower-case hex. Half the cost of `node:crypto` for short texts. */
export function sha256Hex(text: string): string {
  return Bun.SHA256.hash(text, 'hex');
}

/**
 * A 64-bit hash of a text, for tables in memory: fast, and not cryptographic.
 * @param seed continues an earlier hash
 */
export function hashText(text: string, seed: bigint): bigint {
  return Bun.hash.wyhash(text, seed);
}

/** HMAC with SHA-256 of a text's UTF-8 bytes, in lower-case hex. */
export function hmacSha256Hex(key: string, text: string): string {
  try {
    return hmac(key, text);
  } catch {
    // The runtime throws here, once, the error of an unrelated key that WebCrypto could not import before.
    return hmac(key, text);
  }
}

function hmac(key: string, text: string): string {
  return new Bun.CryptoHasher('sha256', key).update(text).digest('hex');
}
