import { randomBytes } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import { SecretBox } from '../platform/secret-box.ts';
import type { SealedKey, SqlRequestLogStore } from '../storage/sql/request-log-store.ts';
import type { TenantScope } from '../storage/tenant-scope.ts';

export interface LogKey {
  readonly version: number;
  readonly box: SecretBox;
}

export interface RequestLogKeysOptions {
  readonly store: Pick<SqlRequestLogStore, 'keys' | 'addKey'>;
  /** Seals the tenants' keys; of the installation. */
  readonly box: SecretBox;
  readonly clock: Pick<Clock, 'wallTime'>;
}

/** Domain of the keys that are derived from a tenant's data key. */
const PURPOSE = 'request log';

/**
 * The keys with which tenants' logs are sealed: random, one list for each tenant, in the tenant's database, sealed with the
 * installation's secret. A rotation adds a key; the ones before open what they sealed until that is deleted, and then they
 * are deleted too.
 */
export class RequestLogKeys {
  constructor(private readonly options: RequestLogKeysOptions) {}

  /** @returns the keys of a tenant by version, the newest first; without those of another installation, which cannot be opened */
  async all(scope: TenantScope): Promise<ReadonlyMap<number, LogKey>> {
    const sealed = await this.options.store.keys(scope);
    return new Map(
      sealed.flatMap((key) => {
        const opened = this.#opened(key);
        return opened ? [[key.version, opened] as const] : [];
      }),
    );
  }

  /** @returns the key that seals; it is made when there is none */
  async current(scope: TenantScope): Promise<LogKey> {
    const [newest] = await this.options.store.keys(scope);
    const opened = newest && this.#opened(newest);
    if (opened) return opened;
    const version = await this.rotate(scope);
    const key = (await this.all(scope)).get(version);
    if (!key) throw new Error(`the tenant "${scope.tenant}" has no key for its request log`);
    return key;
  }

  /** Adds a key, which seals from now on. @returns its version */
  async rotate(scope: TenantScope): Promise<number> {
    const [newest] = await this.options.store.keys(scope);
    const version = (newest?.version ?? 0) + 1;
    await this.#add(scope, version);
    return version;
  }

  async #add(scope: TenantScope, version: number): Promise<void> {
    const { store, box, clock } = this.options;
    const sealed = box.seal(randomBytes(32).toString('base64'));
    // Where another gateway was first, its key is as good.
    await store.addKey(scope, { version, sealed }, clock.wallTime());
  }

  #opened({ version, sealed }: SealedKey): LogKey | undefined {
    try {
      return { version, box: new SecretBox(this.options.box.open(sealed), PURPOSE) };
    } catch {
      // It was sealed with the secret of another installation. What it sealed stays closed.
      return undefined;
    }
  }
}
