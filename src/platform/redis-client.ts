export interface RedisSettings {
  /** `redis://`, `rediss://`, `redis+sentinel://host:port,.../name` or `redis+cluster://host:port,...`. */
  readonly url: string;
  /** A command that takes longer counts as lost. */
  readonly timeoutMs: number;
  /** Called for each connection that fails or is lost. */
  readonly onError: (error: Error) => void;
}

/** Redis or Valkey: connected again whenever it was lost, for as long as it takes. */
export interface RedisClient {
  /** Whether commands can be sent now. Otherwise they fail at once: no request waits for a server that may not return. */
  readonly ready: boolean;
  /** @throws when it can't be sent, is refused, or is not answered in time */
  call(command: string, args: readonly string[]): Promise<unknown>;
  /** Resolves when it is connected for the first time. */
  connected(): Promise<void>;
  disconnect(): void;
}

/** How long until the next try to connect, in milliseconds. */
export function reconnectDelay(failures: number): number {
  return Math.min(2_000, 50 * 2 ** Math.min(failures, 6));
}

/** The fields of a hash, as any client gives them. */
export function fieldsOf(reply: unknown): [name: string, value: string][] {
  if (!Array.isArray(reply))
    return Object.entries(Object(reply)).map(([name, value]) => [name, String(value)]);
  return Array.from({ length: reply.length / 2 }, (_, at) => [
    String(reply[2 * at]),
    String(reply[2 * at + 1]),
  ]);
}
