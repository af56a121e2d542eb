import { randomUUID } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import { DEFAULT_TENANT } from '../core/principal.ts';
import type { KeyStore, StoredKey } from '../storage/key-store.ts';
import { digestOf, hintOf, newSecret } from './key-secrets.ts';

export interface CreatedKey {
  readonly key: StoredKey;
  /** Known only now: what is stored can't be turned back into it. */
  readonly secret: string;
}

export async function createKey(
  store: KeyStore,
  {
    kind,
    name,
    tenant = DEFAULT_TENANT,
  }: { readonly kind: StoredKey['kind']; readonly name: string; readonly tenant?: string },
  clock: Clock,
): Promise<CreatedKey> {
  const secret = newSecret(kind);
  const key: StoredKey = {
    id: `key_${randomUUID().replaceAll('-', '').slice(0, 20)}`,
    kind,
    tenant,
    name,
    hint: hintOf(secret),
    digest: digestOf(secret),
    createdAt: clock.wallTime(),
    revokedAt: null,
  };
  await store.insert(key);
  return { key, secret };
}

/** The key that a person means by its id or, if only one has it, its name. @throws Error when none or several match */
export async function findKey(store: KeyStore, idOrName: string): Promise<StoredKey> {
  const keys = await store.list();
  const byId = keys.find(({ id }) => id === idOrName);
  if (byId) return byId;
  const byName = keys.filter(({ name, revokedAt }) => name === idOrName && revokedAt === null);
  const [only] = byName;
  if (only && byName.length === 1) return only;
  throw new Error(
    byName.length === 0
      ? `There is no key with the id or name "${idOrName}". \`weir keys list\` shows all.`
      : `${byName.length} keys are named "${idOrName}"; use an id: ${byName.map(({ id }) => id).join(', ')}.`,
  );
}
