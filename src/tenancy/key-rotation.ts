import type { Kysely } from 'kysely';
import type { Clock } from '../core/clock.ts';
import { type SealingKeys, SecretBox } from '../platform/secret-box.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import {
  CONTROL_SEALED,
  type ResealResult,
  resealTable,
  TENANT_SEALED,
} from '../storage/sql/sealed-columns.ts';
import type { TenantDatabases } from '../storage/sql/tenant-databases.ts';
import type { KeyRing, KeyRingEditor } from './key-ring.ts';

/** How often gateways read the key ring. Milliseconds. */
export const KEY_RING_REFRESH_MS = 5_000;
/** How long gateways have to learn of a change of the ring: three rounds. Milliseconds. */
export const KEY_RING_SETTLE_MS = 3 * KEY_RING_REFRESH_MS;
/** How long a retired key is kept, because responses of idempotency keys in Redis live for a day. Milliseconds. */
export const RETIRED_KEY_MS = 25 * 3_600_000;

export interface KeyRotationOptions {
  readonly control: Kysely<ControlTables>;
  readonly databases: Pick<TenantDatabases, 'use'>;
  /** Ids of all tenants that have a database. */
  readonly tenants: () => readonly string[];
  readonly ring: KeyRing;
  readonly editor: KeyRingEditor;
  readonly clock: Pick<Clock, 'sleep' | 'wallTime'>;
  /** How long each of the two pauses is in which gateways learn of the ring. Milliseconds; 0 while none runs. */
  readonly settleMs: number;
  readonly onProgress: (step: string) => void;
}

export interface RotationReport {
  /** Id of the key that seals now; with a dry run, of the one that seals already. */
  readonly key: string;
  /** Values that were sealed again, by table. */
  readonly resealed: Readonly<Record<string, number>>;
  readonly unreadable: Readonly<Record<string, number>>;
  readonly databases: number;
  /** Whether it continues a rotation that was interrupted. */
  readonly resumed: boolean;
  readonly removedKeys: readonly string[];
}

/**
 * Rotates the key that seals stored values while gateways run. Gateways learn of the new key before it seals, and values are
 * sealed again one after another; both keys open until the end. A rotation that was interrupted continues.
 */
export class KeyRotation {
  constructor(private readonly options: KeyRotationOptions) {}

  /** Counts what a rotation would seal again, and changes nothing. */
  async plan(): Promise<RotationReport> {
    const { ring, editor } = this.options;
    const found = await editor.read();
    // No key has this id, so that every value counts, unless an interrupted rotation has sealed it.
    const target = found?.rotation?.phase === 'sealing' ? ring.active.id : 'none';
    return this.#reseal(target, true, { resumed: found?.rotation != null, removedKeys: [] });
  }

  /**
   * @param previous the secret before a change of `WEIR_SECRET`; undefined when it has not changed
   * @throws KeyRingError when the keys cannot be opened, or when another command rotates them
   */
  async run(previous?: string): Promise<RotationReport> {
    const { ring, editor, clock, settleMs, onProgress } = this.options;
    const before = await editor.read();
    const resumed = before?.rotation != null;
    const announced = await editor.announce(previous);
    if (announced.rotation?.phase === 'announced') {
      onProgress('gateways learn of the new key');
      await clock.sleep(settleMs);
      await editor.activate();
      onProgress('gateways begin to seal with it');
      await clock.sleep(settleMs);
    }
    await ring.refresh();
    const report = await this.#reseal(ring.active.id, false, { resumed, removedKeys: [] });
    await editor.complete();
    return { ...report, removedKeys: await editor.prune(clock.wallTime() - RETIRED_KEY_MS, false) };
  }

  /** Removes retired keys and what an earlier `WEIR_SECRET` opens, after sealing again what they still seal. */
  async finish(): Promise<RotationReport> {
    const { ring, editor, clock } = this.options;
    await ring.refresh();
    const report = await this.#reseal(ring.active.id, false, { resumed: false, removedKeys: [] });
    return { ...report, removedKeys: await editor.prune(clock.wallTime() - RETIRED_KEY_MS, true) };
  }

  async #reseal(
    keyId: string,
    dryRun: boolean,
    about: Pick<RotationReport, 'resumed' | 'removedKeys'>,
  ): Promise<RotationReport> {
    const { control, databases, tenants, ring, onProgress } = this.options;
    const resealed: Record<string, number> = {};
    const unreadable: Record<string, number> = {};
    const add = (table: string, result: ResealResult) => {
      resealed[table] = (resealed[table] ?? 0) + result.resealed;
      unreadable[table] = (unreadable[table] ?? 0) + result.unreadable;
    };
    onProgress('control database');
    for (const table of CONTROL_SEALED) {
      add(table.table, await resealTable(control, table, keyId, resealerOf(ring, table.purpose), dryRun));
    }
    const ids = tenants();
    for (const [index, tenant] of ids.entries()) {
      onProgress(`tenant ${index + 1} of ${ids.length}: ${tenant}`);
      await databases.use({ tenant }, async (db) => {
        for (const table of TENANT_SEALED) {
          add(table.table, await resealTable(db, table, keyId, resealerOf(ring, table.purpose), dryRun));
        }
      });
    }
    return { key: ring.active.id, resealed, unreadable, databases: 1 + ids.length, ...about };
  }
}

function resealerOf(keys: SealingKeys, purpose: string): (sealed: string) => string | undefined {
  const box = new SecretBox(keys, purpose);
  return (sealed) => {
    let text: string;
    try {
      text = box.open(sealed);
    } catch {
      // It belongs to another installation: it stays as unreadable as it was.
      return undefined;
    }
    return box.seal(text);
  };
}
