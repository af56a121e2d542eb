import type { RedactText } from '../redaction/failure-text.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface LogLine {
  readonly level: LogLevel;
  /** ISO 8601, UTC. */
  readonly time: string;
  /** Number of the process, where several write the log of one gateway. */
  readonly worker?: number | undefined;
  readonly message: string;
  readonly fields: object;
}

/** How many causes of an error are written: a chain may be circular. */
const MAX_CAUSES = 4;
/** Messages of people have spaces; ids, hashes and names have none. */
const PROSE = /\s/;

/** @returns one line of JSON: `level`, `time`, `worker`, the fields that are not undefined, `msg` */
export function toJson({ level, time, worker, message, fields }: LogLine): string {
  const members = jsonOf(fields).slice(1, -1);
  const process = worker === undefined ? '' : `"worker":${worker},`;
  return `{"level":"${level}","time":"${time}",${process}${members}${members === '' ? '' : ','}"msg":${JSON.stringify(message)}}\n`;
}

/** @returns one line of text: time of day, level and message, then the fields as `key=value` */
export function toText({ level, time, message, fields }: LogLine, colour: boolean): string {
  const label = level.toUpperCase().padEnd(5);
  const paint = colour ? COLOURS[level] : '';
  const pairs = Object.entries(fields).flatMap(([key, value]: [string, unknown]) => {
    if (value === undefined) return [];
    if (key === 'err' && isDescription(value)) return [`error=${JSON.stringify(value.message)}`];
    return [`${key}=${typeof value === 'string' && /^[\w./:@-]+$/.test(value) ? value : jsonOf(value)}`];
  });
  return `${[time.slice(11, 19), paint === '' ? label : `${paint}${label}\x1b[0m`, message, ...pairs].join(' ')}\n`;
}

const COLOURS: Readonly<Record<LogLevel, string>> = {
  debug: '',
  info: '',
  warn: '\x1b[33m',
  error: '\x1b[31m',
};

/** JSON of a value; of one that has none, such as a circular object, the reason as a member. */
function jsonOf(value: unknown): string {
  try {
    return JSON.stringify(value) ?? 'null';
  } catch (error) {
    return JSON.stringify({ not_serializable: error instanceof Error ? error.message : String(error) });
  }
}

/** @returns the fields with `err` as plain data, and without what is sensitive in their texts; the line's own ids stay */
export function loggable(fields: object, redact: RedactText): object {
  const entries = Object.entries(fields).map(([key, value]: [string, unknown]) => {
    if (key === 'err') return [key, describeError(value, redact)];
    return [key, typeof value === 'string' && PROSE.test(value) ? redact(value) : value];
  });
  return Object.fromEntries(entries);
}

/** An error as plain data: class, message, code, stack and cause. Other properties may hold secrets and are left out. */
function describeError(error: unknown, redact: RedactText, causes = MAX_CAUSES): unknown {
  if (!(error instanceof Error)) return typeof error === 'string' ? redact(error) : error;
  return {
    type: error.constructor.name,
    message: redact(error.message),
    code: 'code' in error && typeof error.code === 'string' ? error.code : undefined,
    stack: error.stack === undefined ? undefined : redact(error.stack),
    cause:
      error.cause === undefined || causes === 0 ? undefined : describeError(error.cause, redact, causes - 1),
  };
}

function isDescription(value: unknown): value is { readonly message: string } {
  return (
    typeof value === 'object' && value !== null && 'message' in value && typeof value.message === 'string'
  );
}
