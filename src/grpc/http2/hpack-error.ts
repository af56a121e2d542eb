/** A header block that cannot be decoded: the connection's compression state is lost. */
export class HpackError extends Error {
  override readonly name = 'HpackError';
}
