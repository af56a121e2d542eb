/** No Redis can be used. Its message says what to install. */
export class NoRedisError extends Error {
  override readonly name = 'NoRedisError';
}

/** A configuration or a system that several processes cannot serve. Its message says what to do. */
export class WorkersNotPossibleError extends Error {
  override readonly name = 'WorkersNotPossibleError';
}
