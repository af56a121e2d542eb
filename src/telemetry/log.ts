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

/** What the log says of a finished request. Times are milliseconds; numbers are finite. */
export interface RequestLine {
  readonly requestId: string;
  readonly tenant: string;
  readonly key: string;
  readonly route: string;
  readonly model: string | undefined;
  readonly provider: string | undefined;
  readonly upstreamModel: string | undefined;
  readonly variant: string | undefined;
  readonly stream: boolean;
  readonly status: number;
  readonly outcome: string;
  readonly attempts: number;
  readonly queuedMs: number | undefined;
  readonly loadingMs: number | undefined;
  readonly durationMs: number;
  readonly firstEventMs: number | undefined;
  readonly inputTokens: number | undefined;
  readonly outputTokens: number | undefined;
  readonly finishReason: string | undefined;
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

/** What needs no escape in JSON, which is nearly every value of a request's line. */
const PLAIN = /^[\w ./:@-]*$/;

function text(value: string): string {
  return PLAIN.test(value) ? `"${value}"` : JSON.stringify(value);
}

function optional(name: string, value: string | number | undefined): string {
  if (value === undefined) return '';
  return `,"${name}":${typeof value === 'string' ? text(value) : value}`;
}

/** Text that is the same for many lines, made again only where something in it is another. */
class Repeated {
  readonly #known = new Map<
    string,
    { readonly values: readonly (string | undefined)[]; readonly text: string }
  >();

  constructor(private readonly names: readonly string[]) {}

  /** @param values by the order of the names; the first tells one text from another best */
  of(...values: readonly (string | undefined)[]): string {
    const key = values[0] ?? '';
    const known = this.#known.get(key);
    if (known) {
      let same = true;
      for (let at = 0; at < values.length; at += 1) if (known.values[at] !== values[at]) same = false;
      if (same) return known.text;
    }
    const text = this.names.map((name, at) => optional(name, values[at])).join('');
    if (this.#known.size >= MAX_REPEATED) this.#known.clear();
    this.#known.set(key, { values, text });
    return text;
  }
}

const MAX_REPEATED = 10_000;
const who = new Repeated(['key', 'tenant', 'route']);
const where = new Repeated(['upstream_model', 'provider', 'model', 'variant']);

/** Written out, since walking the fields of an object takes longer than all else that is done here. */
function requestText(line: RequestLine, time: string): string {
  return (
    `{"level":"info","time":"${time}","msg":"request","request_id":${text(line.requestId)}` +
    who.of(line.key, line.tenant, line.route) +
    where.of(line.upstreamModel, line.provider, line.model, line.variant) +
    `,"stream":${line.stream},"status":${line.status},"outcome":${text(line.outcome)},"attempts":${line.attempts}` +
    optional('queued_ms', line.queuedMs) +
    optional('loading_ms', line.loadingMs) +
    `,"duration_ms":${line.durationMs}` +
    optional('first_event_ms', line.firstEventMs) +
    optional('input_tokens', line.inputTokens) +
    optional('output_tokens', line.outputTokens) +
    optional('finish_reason', line.finishReason) +
    optional('error', line.error) +
    optional('reason', line.reason) +
    '}\n'
  );
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
