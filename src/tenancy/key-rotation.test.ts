import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import type { Kysely } from 'kysely';
import { BACKENDS, type TestServer } from '../../test/support/database-servers.ts';
import { SecretBox } from '../platform/secret-box.ts';
import { openControlDatabase } from '../storage/sql/control-database.ts';
import type { ControlTables } from '../storage/sql/control-tables.ts';
import { CONTROL_SEALED, TENANT_SEALED } from '../storage/sql/sealed-columns.ts';
import { TenantDatabases } from '../storage/sql/tenant-databases.ts';
import { KeyRing, KeyRingEditor, KeyRingError, recordSecretId } from './key-ring.ts';
import { KeyRotation, type KeyRotationOptions, RETIRED_KEY_MS } from './key-rotation.ts';
import { Tokens, type TrustedIssuer } from './tokens.ts';

const FIRST = 'the-first-secret-of-the-installation';
const SECOND = 'the-second-secret-of-the-installation';
/** More than a page. */
const ITEMS = 450;
const START = 1_700_000_000_000;
const NO_ISSUERS: readonly TrustedIssuer[] = [];

test('every box of the stores has its columns listed, but for what expires', () => {
  const source = readFileSync(new URL('../app/stores.ts', import.meta.url), 'utf8');
  const purposes = Array.from(
    source.matchAll(/new SecretBox\(keyRing, '([^']+)'\)/g),
    ([, purpose = '']) => purpose,
  );
  const listed = [...CONTROL_SEALED, ...TENANT_SEALED].map(({ purpose }) => purpose);
  expect(purposes.length).toBeGreaterThan(5);
  expect(new Set<string>([...listed, 'cache'])).toEqual(new Set<string>(purposes));
});

for (const backend of BACKENDS) {
  describe.skipIf(!backend.available)(`rotation of sealing keys on ${backend.name}`, () => {
    let server: TestServer;
    let control: Kysely<ControlTables>;
    let closeControl: () => Promise<void>;
    let databases: TenantDatabases;
    beforeAll(async () => {
      server = await backend.start();
      ({ db: control, close: closeControl } = await openControlDatabase(server.connect()));
      const placement = { server: '', database: server.freshName() };
      databases = new TenantDatabases({
        servers: new Map([['', server.connect()]]),
        placementOf: () => placement,
        maxConnections: 4,
      });
      await databases.create(placement);
    });
    afterAll(async () => {
      await databases?.close();
      await closeControl?.();
      await server?.dispose();
    });

    let now = START;
    const rotation = (secret: string, more: Partial<KeyRotationOptions> = {}) =>
      new KeyRotation({
        ...{ control, databases, tenants: () => ['t'], settleMs: 1_000 },
        ring: new KeyRing(control, secret),
        editor: new KeyRingEditor(control, secret, () => now),
        clock: { wallTime: () => now, sleep: async () => undefined },
        onProgress: () => undefined,
        ...more,
      });
    const gateway = async (secret: string) => {
      const ring = new KeyRing(control, secret);
      await ring.refresh();
      return ring;
    };
    const sealedItems = async () =>
      (await control.selectFrom('config_items').select('document').orderBy('id').execute()).map(
        ({ document }) => document ?? '',
      );

    test('seals values again in all databases, and a gateway reads them at every moment', async () => {
      const ring = await gateway(FIRST);
      await recordSecretId(control, FIRST);
      const configuration = new SecretBox(ring, 'configuration');
      const prompts = new SecretBox(ring, 'saved prompts');
      const about = { version: 1, updated_at: 1, updated_by: 'a' };
      const rows = Array.from({ length: ITEMS }, (_, index) => ({
        ...{ section: 'providers', id: `item-${index}`, ...about },
        document: configuration.seal(`value ${index}`),
      }));
      await control.insertInto('config_items').values(rows).execute();
      const foreign = new SecretBox('of another installation', 'answers').seal('x');
      await control
        .insertInto('idempotent_answers')
        .values({ scope: 's', key: 'k', request: 'r', state: 200, answer: foreign, expires_at: 1 })
        .execute();
      const version = { model: null, saved_by: 'a', saved_by_name: 'a', saved_at: 1, bytes: 1 };
      await databases.use({ tenant: 't' }, async (db) => {
        const sealed = prompts.seal('a prompt');
        await db
          .insertInto('prompt_versions')
          .values({ prompt: 'p', number: 1, sealed, ...version })
          .execute();
      });
      const tokens = new Tokens(
        ring,
        () => NO_ISSUERS,
        () => START,
      );
      const before = await tokens.issue('t', 'key_1', 60_000);

      const plan = await rotation(FIRST, { ring }).plan();
      expect(plan).toMatchObject({
        key: '',
        databases: 2,
        resealed: { config_items: ITEMS, prompt_versions: 1 },
      });
      expect((await gateway(FIRST)).all()).toHaveLength(1);

      const moments: string[] = [];
      const look = async () => {
        await ring.refresh();
        moments.push(`${ring.all().length} keys, ${ring.active.id === '' ? 'first' : 'new'} seals`);
        const items = await sealedItems();
        expect(configuration.open(items[0] ?? '')).toBe('value 0');
      };
      const report = await rotation(FIRST, { clock: { wallTime: () => now, sleep: look } }).run();
      await look();
      expect(moments).toEqual(['2 keys, first seals', '2 keys, new seals', '2 keys, new seals']);
      expect(report).toMatchObject({
        ...{ databases: 2, resumed: false, removedKeys: [] },
        resealed: { config_items: ITEMS, prompt_versions: 1, webhooks: 0, request_log_keys: 0 },
        unreadable: { idempotent_answers: 1, config_items: 0 },
      });
      const items = await sealedItems();
      expect(items.every((sealed) => sealed.startsWith(`${report.key}:`))).toBe(true);
      expect(items.map((sealed) => configuration.open(sealed)).toSorted()).toEqual(
        rows.map((_, index) => `value ${index}`).toSorted(),
      );
      // Tokens of before are valid until they expire, and digests of API keys do not change.
      expect(await tokens.verify(before.token)).toMatchObject({ keyId: 'key_1' });
      const after = await tokens.issue('t', 'key_2', 60_000);
      expect(
        await new Tokens(
          ring,
          () => NO_ISSUERS,
          () => START,
        ).verify(after.token),
      ).toMatchObject({ keyId: 'key_2' });
      expect(ring.base).toBe(FIRST);
    });

    test('a rotation that was killed continues with the same key', async () => {
      const killed = rotation(FIRST, {
        onProgress: (step) => {
          if (step.startsWith('tenant')) throw new Error('killed');
        },
      });
      await expect(killed.run()).rejects.toThrow('killed');
      const { rotation: begun } = (await new KeyRingEditor(control, FIRST, () => now).read()) ?? {};
      expect(begun?.phase).toBe('sealing');
      const report = await rotation(FIRST).run();
      expect(report).toMatchObject({ resumed: true, key: begun?.to ?? '', resealed: { config_items: 0 } });
      expect(report.resealed.prompt_versions).toBe(1);
    });

    test('retired keys are removed after a day, and the first one never', async () => {
      const [active, ...retired] = (await gateway(FIRST)).all();
      expect(retired.map(({ id }) => id)).toContain('');
      now += RETIRED_KEY_MS + 1;
      const report = await rotation(FIRST).finish();
      expect(report.removedKeys).toHaveLength(1);
      expect((await gateway(FIRST)).all().map(({ id }) => id)).toEqual([active?.id ?? '', '']);
    });

    test('a changed secret opens the keys after the rotation, and the one before until the end', async () => {
      await expect(gateway(SECOND)).rejects.toThrow(KeyRingError);
      await expect(rotation(SECOND).run('a-mistyped-secret')).rejects.toThrow(KeyRingError);
      await rotation(SECOND).run(FIRST);
      const box = new SecretBox(await gateway(SECOND), 'configuration');
      expect(box.open((await sealedItems())[0] ?? '')).toBe('value 0');
      const old = await gateway(FIRST);
      expect(new SecretBox(old, 'configuration').open((await sealedItems())[0] ?? '')).toBe('value 0');
      expect((await gateway(SECOND)).base).toBe(FIRST);
      await rotation(SECOND).finish();
      // A gateway that runs keeps its keys; a start with the secret before fails.
      await expect(old.refresh()).rejects.toThrow(/WEIR_SECRET_PREVIOUS/);
      expect(old.all().length).toBeGreaterThan(1);
    });

    test('a mistyped secret does not begin a ring', async () => {
      await control.deleteFrom('settings').where('name', '=', 'key_ring').execute();
      await expect(rotation('mistyped').run()).rejects.toThrow(/run with another secret/);
      await expect(rotation(SECOND).run('mistyped')).rejects.toThrow(/run with another secret/);
      expect(await new KeyRingEditor(control, FIRST, () => now).read()).toBeUndefined();
    });
  });
}
