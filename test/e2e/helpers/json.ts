export type Json = Readonly<Record<string, unknown>>;

/** @throws when the value is not a JSON object */
export function asObject(value: unknown): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Error(`not a JSON object: ${JSON.stringify(value)}`);
  }
  return { ...value };
}

/** The text as a JSON object. @throws when it is none */
export function parseObject(text: string): Json {
  return asObject(JSON.parse(text));
}
