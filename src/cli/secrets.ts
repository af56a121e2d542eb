import { ConfigSecrets } from '../app/config-secrets.ts';
import type { LoadedConfig } from '../config/assemble.ts';
import { systemClock } from '../core/clock.ts';
import { EXIT, type Output, table } from './output.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Prints the references of the configuration and of the environment. */
export function listSecrets(loaded: LoadedConfig, env: Environment, output: Output, json: boolean): void {
  const secrets = new ConfigSecrets({ env, clock: systemClock });
  const rows = [...secrets.placesOf(loaded)].map(([reference, places]) => ({ reference, places }));
  if (json) output.out(JSON.stringify({ references: rows }));
  else if (rows.length === 0) output.out('The configuration refers to no secrets.');
  else
    output.out(
      table(
        ['REFERENCE', 'USED BY'],
        rows.map(({ reference, places }) => [reference, places.join(', ')]),
      ),
    );
}

/** Reads every reference, and prints whether that worked. @returns the exit code */
export async function checkSecretReferences(
  loaded: LoadedConfig,
  env: Environment,
  output: Output,
  json: boolean,
): Promise<number> {
  const secrets = new ConfigSecrets({ env, clock: systemClock });
  try {
    const places = secrets.placesOf(loaded);
    const reads = places.size === 0 ? [] : await secrets.check(loaded);
    const rows = reads.map((read) => ({
      reference: read.reference.text,
      places: places.get(read.reference.text) ?? [],
      ...('error' in read ? { ok: false, error: read.error.message } : { ok: true, error: null }),
    }));
    const isSound = rows.every(({ ok }) => ok);
    if (json) output.out(JSON.stringify({ ok: isSound, references: rows }));
    else if (rows.length === 0) output.out('The configuration refers to no secrets.');
    else {
      const cells = rows.map(({ reference, places: used, error }) => [
        reference,
        used.join(', '),
        error ?? 'ok',
      ]);
      output.out(table(['REFERENCE', 'USED BY', 'RESULT'], cells));
    }
    return isSound ? EXIT.ok : EXIT.failure;
  } finally {
    secrets.close();
  }
}
