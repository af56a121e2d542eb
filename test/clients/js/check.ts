/** The output of the scripted models behind the gateway, as in `test/clients/weather-model.ts`. */
export const TEXT = 'Hello from the model.';
export const TOOL_TEXT = 'It is 21 degrees in Paris.';
export const CITY = 'Paris';

export interface Settings {
  readonly url: string;
  readonly key: string;
  /** Model names of the gateway by the format of the upstream behind them. */
  readonly models: Readonly<Record<string, string>>;
  readonly embeddingModel: string;
}

export interface Check {
  readonly client: string;
  /** The format of the upstream. */
  readonly format: string;
  readonly check: string;
  readonly run: () => Promise<void>;
}

/** @throws when the values differ */
export function expectEqual(actual: unknown, expected: unknown, what: string): void {
  if (JSON.stringify(actual) !== JSON.stringify(expected)) {
    throw new Error(`${what}: ${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`);
  }
}

/** @throws unless there are two different vectors of numbers */
export function expectVectors(vectors: readonly (readonly number[])[]): void {
  const [first, second] = vectors;
  if (vectors.length !== 2 || first === undefined || second === undefined) {
    throw new Error(`${vectors.length} vectors instead of 2`);
  }
  if (first.length === 0 || ![...first, ...second].every(Number.isFinite))
    throw new Error('a vector has no numbers');
  if (JSON.stringify(first) === JSON.stringify(second)) throw new Error('both texts have the same vector');
}

/** Checks of one client: `of` returns them for a model. */
export function forEachFormat(
  { models }: Settings,
  client: string,
  of: (model: string) => Readonly<Record<string, () => Promise<void>>>,
): Check[] {
  return Object.entries(models).flatMap(([format, model]) =>
    Object.entries(of(model)).map(([check, run]) => ({ client, format, check, run })),
  );
}
