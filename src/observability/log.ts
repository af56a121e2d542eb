import { failureTextRedactor, type RedactText } from '../redaction/failure-text.ts';
import { type LogLevel, type LogLine, loggable, toJson, toText } from './log-format.ts';
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

/** Lines that were lost since the start, by where they were to go. */
export interface LogLosses {
  /** The reader of standard output was too slow. */
  readonly stdout: number;
  /** The disk was full, read-only or too slow for longer than the buffer lasts. */
  readonly files: number;
}

/** Receives lines; never throws, and does not wait for the disk. */
export interface LineSink {
  /** @param text ends with a newline. @param now whether to write it at once, with all before it */
  write(text: string, now: boolean): void;
  flush(): Promise<void>;
  /** Lines that were lost since the start. */
  readonly lost: number;
}

export interface Log {
  readonly logger: Logger;
  readonly losses: LogLosses;
  /** Writes the line of a finished request: at level `warn` for a failure that is not the client's, else `info`. */
  request(line: RequestLine): void;
  /** Writes lines that another process of this gateway has formatted. @param lines ends with a newline */
  relay(lines: string): void;
  /** Resolves when everything logged so far is written, or after two seconds when its reader is slower than that. */
  flush(): Promise<void>;
}

/** The line of a finished request, with the names that it is written with. Times are milliseconds. */
export interface RequestLine {
  readonly request_id: string;
  /** Absent where traces are not exported. */
  readonly trace_id?: string | undefined;
  readonly tenant: string;
  readonly key: string;
  /** Id of the member who owns the key. */
  readonly user?: string | undefined;
  /** IP address of the client. */
  readonly address?: string | undefined;
  readonly route: string;
  readonly model: string | undefined;
  /** The configured model, where it is not what the client named. */
  readonly routed_model?: string | undefined;
  readonly provider: string | undefined;
  readonly upstream_model: string | undefined;
  readonly variant: string | undefined;
  readonly stream: boolean;
  /** How the cache took part; absent where it is off. */
  readonly cache?: string | undefined;
  readonly status: number;
  readonly outcome: string;
  readonly attempts: number;
  /** Requests that shared its upstream call; absent for a call of its own. */
  readonly joined?: number | undefined;
  /** From arrival to the first attempt, without queue and engine. */
  readonly gateway_ms?: number | undefined;
  readonly queued_ms: number | undefined;
  readonly loading_ms: number | undefined;
  /** From the start of the last attempt to its end. */
  readonly upstream_ms?: number | undefined;
  readonly duration_ms: number;
  readonly first_event_ms: number | undefined;
  readonly input_tokens: number | undefined;
  readonly output_tokens: number | undefined;
  /** Part of the input tokens. */
  readonly cached_tokens?: number | undefined;
  /** Part of the output tokens. */
  readonly reasoning_tokens?: number | undefined;
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
  /** Number of this process, where several write the log of one gateway. */
  readonly worker?: number | undefined;
  /** Receives the same lines, always as JSON. */
  readonly files?: LineSink | undefined;
}

const SEVERITY = { trace: 0, debug: 1, info: 2, warn: 3, error: 4, silent: 5 } as const;

/** The line of a failed request: its model may be a key that a client pasted into the wrong field. */
function redactFailed(line: RequestLine, redact: RedactText): RequestLine {
  const { model, reason = '' } = line;
  return { ...line, model: model === undefined ? undefined : redact(model), reason: redact(reason) };
}

/**
 * The gateway's log: all lines are formatted and written here. Texts of failures are redacted, because upstreams and databases
 * repeat parts of requests and of configurations.
 */
export function createLog(options: LogOptions): Log {
  const { files, wallTime, worker } = options;
  const isJson = options.format === 'json';
  const redact = failureTextRedactor();
  const isWritten = (level: LogLevel) => SEVERITY[level] >= SEVERITY[logger.level];
  const write = (level: LogLevel, message: string, fields: object, now: boolean) => {
    const line: LogLine = { level, time: new Date(wallTime()).toISOString(), worker, message, fields };
    const json = isJson || files ? toJson(line) : '';
    writer.write(isJson ? json : toText(line, options.colour), now || !isJson);
    files?.write(json, now);
  };
  const writer = new LogWriter(options.fd ?? 1, (lines) =>
    logger.warn({ lines }, 'log lines dropped: the reader of the log is too slow'),
  );
  const method =
    (level: LogLevel): LogMethod =>
    (...args: [string] | [object, string]) => {
      if (!isWritten(level)) return;
      const [fields, message] = args.length === 1 ? [{}, args[0]] : args;
      write(level, redact(message), loggable(fields, redact), SEVERITY[level] >= SEVERITY.warn);
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
    get losses() {
      return { stdout: writer.lost, files: files?.lost ?? 0 };
    },
    request: (line) => {
      const level = line.outcome === 'failed' && line.status >= 500 ? 'warn' : 'info';
      if (!isWritten(level)) return;
      // Never at once: while a provider is down, there may be thousands a second.
      write(level, 'request', line.reason === undefined ? line : redactFailed(line, redact), false);
    },
    relay: (lines) => writer.write(lines, false),
    flush: async () => {
      await Promise.all([writer.flush(), files?.flush()]);
    },
  };
}
