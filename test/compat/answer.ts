/**
 * What an answer says, whatever format it came in: the common ground on which a provider's own bytes and what a
 * client's SDK has read are compared. Made by small readers that share no code with the product.
 */
export interface ReadAnswer {
  text: string;
  /** Arguments as JSON values; as text where they are not JSON. */
  toolCalls: { name: string; arguments: unknown }[];
  reasoning: string;
  finish: Finish;
  /** The model said in so many words, where its API has words for it, that it will not answer. */
  refused?: boolean;
  usage: ReadUsage;
}

/** Coarse on purpose: not every dialect can say more. */
export type Finish = 'stop' | 'length' | 'tool-calls' | 'filtered' | 'pause' | 'none';

/** Tokens; input includes cached input. Absent: not said, or zero, which dialects don't tell apart. */
export interface ReadUsage {
  input?: number;
  output?: number;
  cached?: number;
  reasoning?: number;
}

export function emptyAnswer(): ReadAnswer {
  return { text: '', toolCalls: [], reasoning: '', finish: 'none', usage: {} };
}

/** JSON where it is JSON; `{}` for no arguments at all, which some models write as `null`. */
export function argumentsOf(value: unknown): unknown {
  if (typeof value !== 'string') return value ?? {};
  if (value.trim() === '') return {};
  try {
    return JSON.parse(value) ?? {};
  } catch {
    return value;
  }
}

type Loose = Readonly<Record<string, unknown>>;

/** The object at a path; empty when there is none. */
export function at(value: unknown, ...path: (string | number)[]): Loose {
  const found = valueAt(value, ...path);
  return isObject(found) ? found : {};
}

export function valueAt(value: unknown, ...path: (string | number)[]): unknown {
  let current = value;
  for (const step of path) {
    if (Array.isArray(current) && typeof step === 'number') current = current[step];
    else if (isObject(current)) current = current[String(step)];
    else return undefined;
  }
  return current;
}

export function listAt(value: unknown, ...path: (string | number)[]): readonly unknown[] {
  const found = valueAt(value, ...path);
  return Array.isArray(found) ? found : [];
}

export function textAt(value: unknown, ...path: (string | number)[]): string {
  const found = valueAt(value, ...path);
  return typeof found === 'string' ? found : '';
}

/** A count above zero. */
export function countAt(value: unknown, ...path: (string | number)[]): number | undefined {
  const found = valueAt(value, ...path);
  return typeof found === 'number' && found > 0 ? found : undefined;
}

function isObject(value: unknown): value is Loose {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Only what is there. */
export function usageOf(counts: { readonly [Name in keyof ReadUsage]: number | undefined }): ReadUsage {
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count !== undefined && count > 0));
}
