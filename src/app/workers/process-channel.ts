import { isRecord } from '../../core/json.ts';

/** Calls between a parent process and its workers, over a channel of messages. */

/** One function that the other side offers. */
export interface RemoteFunction {
  readonly input: unknown;
  readonly output: unknown;
}

/** Functions by name. */
export type RemoteFunctions<Names extends string> = Readonly<Record<Names, RemoteFunction>>;

/** The implementations of functions. */
export type Handlers<Functions extends RemoteFunctions<string>> = {
  readonly [Name in keyof Functions]: (
    input: Functions[Name]['input'],
  ) => Functions[Name]['output'] | Promise<Functions[Name]['output']>;
};

type ChannelMessage =
  | { readonly type: 'call'; readonly id: number; readonly name: string; readonly input: unknown }
  | { readonly type: 'result'; readonly id: number; readonly output: unknown }
  | { readonly type: 'error'; readonly id: number; readonly error: SentError };

interface SentError {
  readonly name: string;
  readonly message: string;
  readonly code: string | undefined;
}

/** The other process has ended. */
export class ChannelClosedError extends Error {
  override readonly name = 'ChannelClosedError';
}

/** An error of the other process, with its name and code. */
export class RemoteError extends Error {
  override readonly name: string;
  readonly code: string | undefined;

  constructor({ name, message, code }: SentError) {
    super(message);
    this.name = name;
    this.code = code;
  }
}

/** One end of a channel: calls the functions of the other end, and offers its own. */
export class ProcessChannel<Theirs extends RemoteFunctions<string>, Own extends RemoteFunctions<string>> {
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #ids = 0;
  #closed: ChannelClosedError | undefined;

  /**
   * @param send hands a message to the other process
   * @param handlers called with what the other process sends; it is the same program
   */
  constructor(
    private readonly send: (message: unknown) => void,
    private readonly handlers: Handlers<Own>,
  ) {}

  /** Calls a function of the other process. @throws RemoteError what it throws; ChannelClosedError when it ends */
  call<Name extends keyof Theirs & string>(
    name: Name,
    input: Theirs[Name]['input'],
  ): Promise<Theirs[Name]['output']> {
    if (this.#closed) return Promise.reject(this.#closed);
    this.#ids += 1;
    const waiting = Promise.withResolvers<unknown>();
    this.#waiting.set(this.#ids, waiting);
    this.send({ type: 'call', id: this.#ids, name, input } satisfies ChannelMessage);
    return waiting.promise;
  }

  /** Takes a message of the other process; others are dropped. */
  received(message: unknown): void {
    if (!isChannelMessage(message)) return;
    if (message.type === 'call') {
      void this.#run(message.id, message.name, message.input);
      return;
    }
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (message.type === 'result') waiting?.resolve(message.output);
    else waiting?.reject(new RemoteError(message.error));
  }

  /** The other process has ended: what is called fails. */
  close(reason: string): void {
    this.#closed ??= new ChannelClosedError(reason);
    const all = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of all) reject(this.#closed);
  }

  async #run(id: number, name: string, input: unknown): Promise<void> {
    try {
      if (!Object.hasOwn(this.handlers, name)) throw new Error(`this version of Weir has no "${name}"`);
      const output = await this.handlers[name]?.(input);
      this.send({ type: 'result', id, output } satisfies ChannelMessage);
    } catch (cause) {
      this.send({ type: 'error', id, error: sentError(cause) } satisfies ChannelMessage);
    }
  }
}

const TYPES: readonly unknown[] = ['call', 'result', 'error'] satisfies ChannelMessage['type'][];

function isChannelMessage(value: unknown): value is ChannelMessage {
  return isRecord(value) && TYPES.includes(value.type) && typeof value.id === 'number';
}

function sentError(cause: unknown): SentError {
  if (!(cause instanceof Error)) return { name: 'Error', message: String(cause), code: undefined };
  const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : undefined;
  return { name: cause.name, message: cause.message, code };
}
