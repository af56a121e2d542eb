import { invalidRequest } from './api-error.ts';
import { FAULT_NAMES, type FaultName } from './fault-names.ts';

/** The header with options; it overrides options in the model name. */
export const OPTIONS_HEADER = 'x-weir-simulate';

const HOUR_MS = 3_600_000;

interface Option<T> {
  /** @returns undefined when the text is not a value of this option */
  readonly parse: (text: string) => T | undefined;
  readonly fallback: T;
  readonly allowed: string;
  readonly fallbackText: string;
  readonly description: string;
}

/** Every option with its documentation. Durations are in milliseconds. */
export const OPTIONS = {
  latency: duration(0, 'Time before the response head, for every path and fault.'),
  ttft: duration(
    0,
    'Time from the head to the first event of a stream. Without streaming it is added to the time before the head.',
  ),
  tps: {
    parse: (text) => numberIn(text, 0, 1_000_000),
    fallback: 0,
    allowed: 'a number from 0 to 1000000',
    fallbackText: '0',
    description:
      'Tokens per second of each choice; 0 is as fast as possible. Each token has its own due time.',
  },
  tokens: {
    parse: (text) => integerIn(text, 0, 100_000),
    fallback: undefined,
    allowed: 'a whole number from 0 to 100000',
    fallbackText: 'from the seed, about 30 to 80',
    description: 'Length of a text response in tokens. The limits of the request still apply.',
  },
  reasoning_tokens: {
    parse: (text) => integerIn(text, 0, 100_000),
    fallback: undefined,
    allowed: 'a whole number from 0 to 100000',
    fallbackText: 'from the seed for `simulator-reasoning`, else 0',
    description: 'Length of the reasoning before the content in tokens.',
  },
  seed: {
    parse: (text) => (/^-?\d{1,19}$/.test(text) ? text : undefined),
    fallback: undefined,
    allowed: 'a whole number',
    fallbackText: 'from the messages',
    description: 'Determines the response, if the request has no `seed` field.',
  },
  fault: choice(FAULT_NAMES, 'none', 'The fault to simulate; see below.'),
  fault_rate: {
    parse: (text) => numberIn(text, 0, 1),
    fallback: 1,
    allowed: 'a number from 0 to 1',
    fallbackText: '1',
    description:
      'Fraction of requests that get the fault. The seed and the request decide, so a repeated request has the same outcome.',
  },
  fault_times: {
    parse: (text) => integerIn(text, 1, 1000),
    fallback: undefined,
    allowed: 'a whole number from 1 to 1000',
    fallbackText: 'every time',
    description:
      'How many times in a row the same request gets the fault; the next one succeeds, then the count restarts.',
  },
  fault_after: {
    parse: (text) => integerIn(text, 0, 1_000_000),
    fallback: 3,
    allowed: 'a whole number from 0 to 1000000',
    fallbackText: '3',
    description:
      'Events of a stream that are sent before a mid-stream fault. A shorter response gets the fault before its end.',
  },
  retry_after: duration(
    1000,
    'The value of `Retry-After` (whole seconds, rounded up) and `retry-after-ms` in `429` faults.',
  ),
  drip: duration(10, 'Pause between the pieces of `slow_body`; 0 splits the body without a pause.'),
} satisfies Record<string, Option<unknown>>;

/** The options of one request, with defaults. Durations are in milliseconds. */
export interface SimulatorOptions {
  readonly latency: number;
  readonly ttft: number;
  readonly tps: number;
  readonly tokens: number | undefined;
  readonly reasoning_tokens: number | undefined;
  readonly seed: string | undefined;
  readonly fault: FaultName;
  readonly fault_rate: number;
  readonly fault_times: number | undefined;
  readonly fault_after: number;
  readonly retry_after: number;
  readonly drip: number;
}

/** A model name with options. */
export interface ModelName {
  /** The name without options. */
  readonly base: string;
  /** The text after the first colon. */
  readonly options: string;
}

/** Splits a model name from its options. */
export function splitModelName(model: string): ModelName {
  const colon = model.indexOf(':');
  return colon < 0
    ? { base: model, options: '' }
    : { base: model.slice(0, colon), options: model.slice(colon + 1) };
}

/** Parses the options of one request. @throws ApiError with status 400 that names an unknown option or an invalid value */
export function readOptions(modelOptions: string, header: string | null): SimulatorOptions {
  const texts = new Map<string, string>();
  const sources = new Map<string, string>();
  collect(modelOptions, 'model', texts, sources);
  collect(header ?? '', OPTIONS_HEADER, texts, sources);
  const read = <T>(name: string, option: Option<T>): T => {
    const text = texts.get(name);
    if (text === undefined) return option.fallback;
    const value = option.parse(text);
    if (value !== undefined) return value;
    const message = `Invalid value '${text}' for simulator option '${name}': it must be ${option.allowed}.`;
    throw invalidRequest(message, sources.get(name) ?? null, 'invalid_simulator_option');
  };
  return {
    latency: read('latency', OPTIONS.latency),
    ttft: read('ttft', OPTIONS.ttft),
    tps: read('tps', OPTIONS.tps),
    tokens: read<number | undefined>('tokens', OPTIONS.tokens),
    reasoning_tokens: read<number | undefined>('reasoning_tokens', OPTIONS.reasoning_tokens),
    seed: read<string | undefined>('seed', OPTIONS.seed),
    fault: read('fault', OPTIONS.fault),
    fault_rate: read('fault_rate', OPTIONS.fault_rate),
    fault_times: read<number | undefined>('fault_times', OPTIONS.fault_times),
    fault_after: read('fault_after', OPTIONS.fault_after),
    retry_after: read('retry_after', OPTIONS.retry_after),
    drip: read('drip', OPTIONS.drip),
  };
}

function collect(
  text: string,
  source: string,
  texts: Map<string, string>,
  sources: Map<string, string>,
): void {
  if (text.trim() === '') return;
  for (const part of text.split(/[,;]/)) {
    if (part.trim() === '') continue;
    const equals = part.indexOf('=');
    const name = (equals < 0 ? part : part.slice(0, equals)).trim();
    if (!Object.hasOwn(OPTIONS, name)) {
      const message = `Unknown simulator option '${name}'. Allowed are: ${Object.keys(OPTIONS).join(', ')}.`;
      throw invalidRequest(message, source, 'invalid_simulator_option');
    }
    texts.set(name, equals < 0 ? '' : part.slice(equals + 1).trim());
    sources.set(name, source);
  }
}

function duration(fallback: number, description: string): Option<number> {
  return {
    parse: parseDuration,
    fallback,
    allowed: 'a duration from 0 to 1h, such as 200ms, 2s or 1m',
    fallbackText: fallback === 0 ? '0' : fallback % 1000 === 0 ? `${fallback / 1000}s` : `${fallback}ms`,
    description,
  };
}

function choice<T extends string>(values: readonly T[], fallback: T, description: string): Option<T> {
  return {
    parse: (text) => values.find((value) => value === text),
    fallback,
    allowed: `one of ${values.join(', ')}`,
    fallbackText: fallback,
    description,
  };
}

/** Milliseconds. */
function parseDuration(text: string): number | undefined {
  if (text === '0') return 0;
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text);
  if (match === null) return undefined;
  const unit = match[2] === 'ms' ? 1 : match[2] === 's' ? 1000 : match[2] === 'm' ? 60_000 : HOUR_MS;
  const ms = Number(match[1]) * unit;
  return ms <= HOUR_MS ? ms : undefined;
}

function numberIn(text: string, min: number, max: number): number | undefined {
  if (!/^\d+(?:\.\d+)?$/.test(text)) return undefined;
  const value = Number(text);
  return value >= min && value <= max ? value : undefined;
}

function integerIn(text: string, min: number, max: number): number | undefined {
  const value = numberIn(text, min, max);
  return Number.isInteger(value) ? value : undefined;
}
