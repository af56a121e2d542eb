import { storedSecret } from '../app/first-start.ts';
import type { Stores } from '../app/stores.ts';
import { systemClock } from '../core/clock.ts';
import { KeyRing, KeyRingEditor } from '../tenancy/key-ring.ts';
import { KEY_RING_SETTLE_MS, KeyRotation, type RotationReport } from '../tenancy/key-rotation.ts';
import { CommandError, type Output, type StoreCommand } from './output.ts';
import { progressLine } from './progress.ts';
import { withStores } from './stores.ts';

export interface RotateOptions {
  readonly dryRun?: boolean;
  readonly fromStored?: boolean;
  readonly finish?: boolean;
  readonly offline?: boolean;
  readonly json?: boolean;
}

/** Rotates the sealing key, or the secret that protects it. */
export async function rotateSecrets(
  { config, env, output }: StoreCommand,
  options: RotateOptions,
): Promise<void> {
  const { WEIR_SECRET: secret, WEIR_SECRET_PREVIOUS: before } = env;
  if (options.fromStored && !secret)
    throw new CommandError('--from-stored needs the new secret: set WEIR_SECRET.');
  if (options.fromStored && before) {
    throw new CommandError('Use either --from-stored or WEIR_SECRET_PREVIOUS: both name the secret before.');
  }
  // Until the keys are sealed with the new secret, only the one before opens them.
  const opening = options.fromStored ? undefined : before || secret;
  const progress = progressLine(output);
  await withStores(config, { ...env, WEIR_SECRET: opening }, output, async (stores) => {
    const { control, databases, access } = stores;
    const present = secret || (await storedSecret(control));
    const previous = options.fromStored ? await storedSecret(control) : before || undefined;
    const ring = options.dryRun ? stores.keyRing : new KeyRing(control, present);
    const editor = new KeyRingEditor(control, present, () => systemClock.wallTime());
    const rotation = new KeyRotation({
      ...{ control, databases, ring, editor },
      clock: systemClock,
      settleMs: options.offline ? 0 : KEY_RING_SETTLE_MS,
      tenants: () => [...access.tenants()].flatMap(({ id, status }) => (status === 'deleted' ? [] : [id])),
      onProgress: (step) => progress.show(step),
    });
    const report = await perform(rotation, options, previous);
    if (options.finish && secret) await forgetStoredSecret(stores);
    progress.clear();
    print(output, report, options, previous !== undefined);
  });
}

function perform(
  rotation: KeyRotation,
  { dryRun, finish }: RotateOptions,
  previous: string | undefined,
): Promise<RotationReport> {
  if (dryRun) return rotation.plan();
  return finish ? rotation.finish() : rotation.run(previous);
}

/** The secret of an installation that has WEIR_SECRET now must not stay beside what it protects. */
async function forgetStoredSecret({ control }: Stores): Promise<void> {
  await control.deleteFrom('settings').where('name', '=', 'secret').execute();
}

function print(output: Output, report: RotationReport, options: RotateOptions, changedSecret: boolean): void {
  const { key, resealed, unreadable, databases, resumed, removedKeys } = report;
  if (options.json) {
    output.out(
      JSON.stringify({
        ...{ dry_run: options.dryRun === true, key, resumed, databases, resealed, unreadable },
        removed_keys: removedKeys,
      }),
    );
    return;
  }
  const total = Object.values(resealed).reduce((sum, count) => sum + count, 0);
  const lost = Object.entries(unreadable).filter(([, count]) => count > 0);
  if (resumed) output.out('Resumed a rotation that was interrupted.');
  if (options.dryRun)
    output.out(`Would seal ${total} values in ${databases} databases again. Nothing was changed.`);
  else
    output.out(
      `Sealed ${total} values in ${databases} databases again; the key ${key || '(first)'} seals now.`,
    );
  for (const [table, count] of lost) {
    output.err(`warning: ${count} values of ${table} were sealed with the secret of another installation.`);
  }
  if (removedKeys.length > 0) output.out(`Removed the keys ${removedKeys.join(', ')}.`);
  if (changedSecret && !options.dryRun) {
    output.out(
      'Restart the gateways one after another with the new WEIR_SECRET, and then run `weir secrets rotate --finish`.',
    );
  }
}
