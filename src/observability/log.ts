import pino, { type DestinationStream, type Logger } from 'pino';

export type { Logger };

export interface LogOptions {
  readonly level: string;
  readonly format: 'json' | 'text';
  readonly colour: boolean;
  /** File descriptor, 1 for standard output. */
  readonly fd?: number;
}

/** A log and the means to write what it still holds before the process ends. */
export interface Log {
  readonly logger: Logger;
  /** Writes one line for a finished request; cheaper than the logger, since there is one for each request. */
  request(line: RequestLine): void;
  /** Resolves when all of it is written, or its reader takes too long. */
  flush(): Promise<void>;
}

/** What the log says of a finished request, by the names that it is written with. Times are milliseconds. */
export interface RequestLine {
  readonly request_id: string;
  readonly key: string;
  readonly tenant: string;
  readonly route: string;
  readonly model: string | undefined;
  readonly provider: string | undefined;
  readonly upstream_model: string | undefined;
  readonly variant: string | undefined;
  readonly stream: boolean;
  readonly status: number;
  readonly outcome: string;
  readonly attempts: number;
  readonly queued_ms: number | undefined;
  readonly loading_ms: number | undefined;
  readonly duration_ms: number;
  readonly first_event_ms: number | undefined;
  readonly input_tokens: number | undefined;
  readonly output_tokens: number | undefined;
  readonly finish_reason: string | undefined;
  /** Code and message of what it failed with. */
  readonly error: string | undefined;
  readonly reason: string | undefined;
}

const FLUSH_EVERY_MS = 200;
const FLUSH_BYTES = 32 * 1024;
const LONGEST_FLUSH_MS = 2_000;

export function createLog(options: LogOptions): Log {
  const text = options.format === 'text';
  // A person reads lines one by one, the last before an exit too; a machine's slow reader must not hold us up.
  const file = pino.destination({ dest: options.fd ?? 1, sync: text, minLength: text ? 0 : 1 });
  const lines = new LineBuffer((chunk) => file.write(chunk));
  const destination: DestinationStream = text
    ? { write: (line) => file.write(toText(line, options.colour)) }
    : { write: (line) => lines.add(line) };
  const time = isoClock();
  const logger = pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  );
  return {
    logger,
    request: (line) => {
      if (logger.isLevelEnabled('info')) destination.write(requestText(line, time()));
    },
    flush: () => {
      lines.flush();
      return new Promise((resolve) => {
        const timer = setTimeout(resolve, LONGEST_FLUSH_MS);
        // Also what is being written at this moment, which `flushSync` would not wait for. A pipe can't be synced; that is no failure.
        file.flush(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    },
  };
}

/** Behind what every line begins with, the line itself as JSON. */
function requestText(line: RequestLine, time: string): string {
  return `{"level":"info","time":"${time}","msg":"request",${JSON.stringify(line).slice(1)}\n`;
}

/** The time as text, made once for each millisecond. */
function isoClock(): () => string {
  let at = 0;
  let text = '';
  return () => {
    const now = Date.now();
    if (now !== at) {
      at = now;
      text = new Date(now).toISOString();
    }
    return text;
  };
}

/** Joins lines into large writes: a write for each request would cost more than all else that is done for it. */
class LineBuffer {
  #text = '';
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly write: (text: string) => void) {}

  add(line: string): void {
    this.#text += line;
    if (this.#text.length >= FLUSH_BYTES) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), FLUSH_EVERY_MS);
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const text = this.#text;
    this.#text = '';
    if (text !== '') this.write(text);
  }
}

const COLOURS: Readonly<Record<string, string>> = { warn: '\x1b[33m', error: '\x1b[31m', fatal: '\x1b[31m' };

/** One log line for people: time, level, message, then what else is known as `key=value`. */
function toText(line: string, colour: boolean): string {
  const { level, time, msg, ...rest }: Record<string, unknown> = JSON.parse(line);
  const pairs = Object.entries(rest).map(([key, value]) => {
    if (key === 'err' && typeof value === 'object' && value !== null && 'message' in value) {
      return `error=${JSON.stringify(value.message)}`;
    }
    return `${key}=${typeof value === 'string' && /^[\w./:@-]+$/.test(value) ? value : JSON.stringify(value)}`;
  });
  const clock = String(time).slice(11, 19);
  const paint = colour ? COLOURS[String(level)] : undefined;
  const label = String(level).toUpperCase().padEnd(5);
  return `${clock} ${paint ? `${paint}${label}\x1b[0m` : label} ${String(msg ?? '')}${pairs.length > 0 ? ` ${pairs.join(' ')}` : ''}\n`;
}
