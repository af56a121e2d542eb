export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface LogLine {
  readonly level: LogLevel;
  /** ISO 8601, UTC. */
  readonly time: string;
  readonly message: string;
  readonly fields: object;
}

/** How many causes of an error are written: a chain may be circular. */
const MAX_CAUSES = 4;

/** @returns one line of JSON: `level`, `time`, the fields that are not undefined, `msg` */
export function toJson({ level, time, message, fields }: LogLine): string {
  const members = jsonOf('err' in fields ? { ...fields, err: describeError(fields.err) } : fields).slice(
    1,
    -1,
  );
  return `{"level":"${level}","time":"${time}",${members}${members === '' ? '' : ','}"msg":${JSON.stringify(message)}}\n`;
}

/** @returns one line of text: time of day, level and message, then the fields as `key=value` */
export function toText({ level, time, message, fields }: LogLine, colour: boolean): string {
  const label = level.toUpperCase().padEnd(5);
  const paint = colour ? COLOURS[level] : '';
  const pairs = Object.entries(fields).flatMap(([key, value]: [string, unknown]) => {
    if (value === undefined) return [];
    if (key === 'err' && value instanceof Error) return [`error=${JSON.stringify(value.message)}`];
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

/** An error as plain data: class, message, code, stack and cause. Other properties may hold secrets and are left out. */
function describeError(error: unknown, causes = MAX_CAUSES): unknown {
  if (!(error instanceof Error)) return error;
  return {
    type: error.constructor.name,
    message: error.message,
    code: 'code' in error && typeof error.code === 'string' ? error.code : undefined,
    stack: error.stack,
    cause: error.cause === undefined || causes === 0 ? undefined : describeError(error.cause, causes - 1),
  };
}
