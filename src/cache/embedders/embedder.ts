/** Turns texts into vectors whose direction says what they are about. */
export interface Embedder {
  /** Names the model and its version. Vectors of different names are never compared. */
  readonly id: string;
  /**
   * @param timeoutMs after it the caller continues without the vector
   * @returns a vector of length 1; undefined where the text has none, as an empty one
   * @throws GatewayError where the model fails or does not respond in time
   */
  embed(text: string, timeoutMs: number): Float32Array | undefined | Promise<Float32Array | undefined>;
}

/** @returns the vector with length 1; undefined for one without a direction, or with values that are no numbers */
export function normalised(vector: ArrayLike<number>): Float32Array | undefined {
  let sum = 0;
  for (let at = 0; at < vector.length; at += 1) sum += (vector[at] ?? 0) ** 2;
  const length = Math.sqrt(sum);
  if (!(length > 0) || !Number.isFinite(length)) return undefined;
  const unit = new Float32Array(vector.length);
  for (let at = 0; at < vector.length; at += 1) unit[at] = (vector[at] ?? 0) / length;
  return unit;
}

/** @returns the cosine of two vectors of length 1; NaN where they have different dimensions */
export function similarityOf(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return Number.NaN;
  let sum = 0;
  for (let at = 0; at < a.length; at += 1) sum += (a[at] ?? 0) * (b[at] ?? 0);
  return sum;
}
