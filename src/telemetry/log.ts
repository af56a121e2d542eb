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
  /**
   * Writes one line for a finished request; cheaper than the logger, since there is one for each request.
   * The names of the fields need no escapes; numbers are finite.
   */
  request(fields: Readonly<Record<string, string | number | boolean | undefined>>): void;
  /** Resolves when all of it is written, or its reader takes too long. */
  flush(): Promise<void>;
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
    request: (fields) => {
      if (!logger.isLevelEnabled('info')) return;
      let line = `{"level":"info","time":"${new Date().toISOString()}","msg":"request"`;
      for (const name in fields) {
        const value = fields[name];
        if (value !== undefined) line += `,"${name}":${jsonText(value)}`;
      }
      destination.write(`${line}}\n`);
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

/** What needs no escape in JSON, which is nearly every value of a request's line. */
const PLAIN = /^[\w ./:@-]*$/;

function jsonText(value: string | number | boolean): string {
  if (typeof value !== 'string') return String(value);
  return PLAIN.test(value) ? `"${value}"` : JSON.stringify(value);
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
