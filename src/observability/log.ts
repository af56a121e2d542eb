import { type LogLevel, type LogLine, toJson, toText } from './log-format.ts';
import { LogWriter } from './log-writer.ts';

interface LogMethod {
  (message: string): void;
  /** @param fields further members of the line; `err` takes an error */
  (fields: object, message: string): void;
}

/** Writes lines of the levels from `level` upwards. No method throws, and none waits for the reader of the log. */
export interface Logger {
  level: LogLevel | 'trace' | 'silent';
  readonly debug: LogMethod;
  readonly info: LogMethod;
  readonly warn: LogMethod;
  readonly error: LogMethod;
}

export interface Log {
  readonly logger: Logger;
  /** Writes the line of a finished request: at level `warn` for a failure that is not the client's, else `info`. */
  request(line: RequestLine): void;
  /** Resolves when everything logged so far is written, or after two seconds when its reader is slower than that. */
  flush(): Promise<void>;
}

/** The line of a finished request, with the names that it is written with. Times are milliseconds. */
export interface RequestLine {
  readonly request_id: string;
  /** Absent where traces are not exported. */
  readonly trace_id?: string | undefined;
  readonly key: string;
  readonly tenant: string;
  /** IP address of the client. */
  readonly address?: string | undefined;
  readonly route: string;
  readonly model: string | undefined;
  readonly provider: string | undefined;
  readonly upstream_model: string | undefined;
  readonly variant: string | undefined;
  readonly stream: boolean;
  /** How the cache took part; absent where it is off. */
  readonly cache?: string | undefined;
  readonly status: number;
  readonly outcome: string;
  readonly attempts: number;
  readonly queued_ms: number | undefined;
  readonly loading_ms: number | undefined;
  readonly duration_ms: number;
  readonly first_event_ms: number | undefined;
  readonly input_tokens: number | undefined;
  readonly output_tokens: number | undefined;
  /** US dollars as a decimal. */
  readonly cost?: string | undefined;
  readonly finish_reason: string | undefined;
  /** Code of the failure. */
  readonly error: string | undefined;
  /** Message of the failure. */
  readonly reason: string | undefined;
  /** What guardrails found, such as `pii input redact email 2`; absent for nothing. */
  readonly guardrails?: readonly string[] | undefined;
  /** Attempts that failed, those before a fallback included. */
  readonly failed_attempts?: readonly FailedAttempt[] | undefined;
}

/** One attempt that failed. */
export interface FailedAttempt {
  readonly provider: string;
  readonly model: string;
  readonly error: string;
  readonly upstream_status: number | undefined;
  readonly duration_ms: number;
}

export interface LogOptions {
  readonly level: Logger['level'];
  readonly format: 'json' | 'text';
  readonly colour: boolean;
  /** Milliseconds since 1970. */
  readonly wallTime: () => number;
  /** File descriptor; 1, standard output, when absent. */
  readonly fd?: number;
}

const SEVERITY = { trace: 0, debug: 1, info: 2, warn: 3, error: 4, silent: 5 } as const;

/** The gateway's log: all lines are formatted and written here. */
export function createLog(options: LogOptions): Log {
  const format = options.format === 'json' ? toJson : (line: LogLine) => toText(line, options.colour);
  const write = (
    level: LogLevel,
    message: string,
    fields: object,
    atOnce = options.format === 'text' || SEVERITY[level] >= SEVERITY.warn,
  ) => {
    if (SEVERITY[level] < SEVERITY[logger.level]) return;
    const text = format({ level, time: new Date(options.wallTime()).toISOString(), message, fields });
    writer.write(text, atOnce);
  };
  const writer = new LogWriter(options.fd ?? 1, (lines) =>
    write('warn', 'log lines dropped: the reader of the log is too slow', { lines }),
  );
  const method =
    (level: LogLevel): LogMethod =>
    (...args: [string] | [object, string]) => {
      if (args.length === 1) write(level, args[0], {});
      else write(level, args[1], args[0]);
    };
  const logger: Logger = {
    level: options.level,
    debug: method('debug'),
    info: method('info'),
    warn: method('warn'),
    error: method('error'),
  };
  return {
    logger,
    // Never at once: while a provider is down, there may be thousands a second.
    request: (line) =>
      write(
        line.outcome === 'failed' && line.status >= 500 ? 'warn' : 'info',
        'request',
        line,
        options.format === 'text',
      ),
    flush: () => writer.flush(),
  };
}
