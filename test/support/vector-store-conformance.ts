import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { normalised } from '../../src/cache/embedders/embedder.ts';
import type { VectorRecord, VectorStore } from '../../src/cache/semantic/vector-store.ts';

const NOW = 1_800_000_000_000;
const DIMENSIONS = 8;

/** A vector of length 1 at an angle from the first axis. */
function vectorAt(degrees: number, dimensions = DIMENSIONS): Float32Array {
  const radians = (degrees * Math.PI) / 180;
  const vector = new Float32Array(dimensions);
  vector[0] = Math.cos(radians);
  vector[1] = Math.sin(radians);
  return normalised(vector) ?? vector;
}

interface RecordFacts {
  readonly tenant?: string;
  readonly partition?: string;
  readonly model?: string;
  readonly namespace?: string;
  readonly tags?: readonly string[];
  readonly storedAt?: number;
  readonly expiresAt?: number;
  readonly vector?: Float32Array;
}

function recordOf(id: string, facts: RecordFacts = {}): VectorRecord {
  const { tenant = 'acme', partition = `of ${tenant}`, model = 'chat', namespace = '', tags = [] } = facts;
  const { storedAt = NOW, expiresAt = NOW + 60_000, vector = vectorAt(0) } = facts;
  return {
    ...{ id, partition, owner: { tenant, namespace, model, tags } },
    ...{ storedAt, expiresAt, vector, payload: `payload of ${id}` },
  };
}

/** What every vector store does. */
export function vectorStoreConformance(name: string, open: () => Promise<VectorStore>): void {
  describe(`${name} as a vector store`, () => {
    let store: VectorStore;
    beforeAll(async () => {
      store = await open();
    });
    afterAll(async () => {
      await store.close?.();
    });
    const fill = async (...records: readonly VectorRecord[]) => {
      await store.clear({}, false);
      for (const record of records) await store.add(record);
    };
    const find = async (
      facts: RecordFacts & {
        readonly limit?: number;
        readonly threshold?: number;
        readonly now?: number;
      } = {},
    ) => {
      const { tenant = 'acme', partition = `of ${tenant}`, vector = vectorAt(0) } = facts;
      const { limit = 10, threshold = 0.5, now = NOW } = facts;
      return store.search({ tenant, partition, vector, limit, threshold, now });
    };
    const idsOf = async (facts?: Parameters<typeof find>[0]) => (await find(facts)).map(({ id }) => id);

    test('returns what is similar, the most similar first, with payload and cosine', async () => {
      await fill(
        recordOf('far', { vector: vectorAt(80) }),
        recordOf('near', { vector: vectorAt(20) }),
        recordOf('same'),
        recordOf('middle', { vector: vectorAt(40) }),
      );
      const found = await find();
      expect(found.map(({ id, payload }) => [id, payload])).toEqual([
        ['same', 'payload of same'],
        ['near', 'payload of near'],
        ['middle', 'payload of middle'],
      ]);
      expect(found[1]?.similarity).toBeCloseTo(Math.cos((20 * Math.PI) / 180), 3);
      expect(await idsOf({ limit: 1 })).toEqual(['same']);
      expect(await idsOf({ threshold: 0.9 })).toEqual(['same', 'near']);
    });

    test('an empty store and an unknown partition have no matches', async () => {
      await fill();
      expect(await idsOf()).toEqual([]);
      await store.add(recordOf('one'));
      expect(await idsOf({ partition: 'other' })).toEqual([]);
    });

    test('nothing of another tenant, even in a partition of the same name', async () => {
      await fill(recordOf('theirs', { tenant: 'globex', partition: 'shared' }));
      expect(await idsOf({ tenant: 'acme', partition: 'shared' })).toEqual([]);
      expect(await idsOf({ tenant: 'globex', partition: 'shared' })).toEqual(['theirs']);
    });

    test('nothing that has expired', async () => {
      await fill(recordOf('old', { expiresAt: NOW }), recordOf('new', { expiresAt: NOW + 1 }));
      expect(await idsOf()).toEqual(['new']);
    });

    test('vectors of another dimension are no match, and do no harm', async () => {
      await fill(recordOf('eight'), recordOf('four', { vector: vectorAt(0, 4) }));
      expect(await idsOf()).toEqual(['eight']);
      expect(await idsOf({ vector: vectorAt(0, 4) })).toEqual(['four']);
      expect(await idsOf({ vector: vectorAt(0, 5) })).toEqual([]);
    });

    test('a record with a known id replaces the old one', async () => {
      await fill(recordOf('one', { vector: vectorAt(80) }), { ...recordOf('one'), payload: 'new' });
      expect((await find({ threshold: 0 })).map(({ id, payload }) => [id, payload])).toEqual([
        ['one', 'new'],
      ]);
    });

    test('removes a record of its tenant only', async () => {
      await fill(recordOf('one'), recordOf('two'));
      await store.remove('one', 'globex');
      expect((await idsOf()).toSorted()).toEqual(['one', 'two']);
      await store.remove('one', 'acme');
      expect(await idsOf()).toEqual(['two']);
    });

    test('clears by tenant, model, namespace, tag and age, and counts without clearing', async () => {
      const records = [
        recordOf('a', { model: 'chat', tags: ['team=search'] }),
        recordOf('b', { model: 'other', namespace: 'n' }),
        recordOf('c', { tenant: 'globex', storedAt: NOW - 10_000 }),
      ];
      for (const [filter, left] of [
        [{ tenant: 'acme' }, ['c']],
        [{ model: 'chat' }, ['b']],
        [{ namespace: 'n' }, ['a', 'c']],
        [{ tag: 'team=search' }, ['b', 'c']],
        [{ storedBefore: NOW }, ['a', 'b']],
        [{ tenant: 'acme', model: 'other' }, ['a', 'c']],
        [{}, []],
      ] as const) {
        await fill(...records);
        const count = 3 - left.length;
        expect(await store.clear(filter, true)).toBe(count);
        expect(await store.clear(filter, false)).toBe(count);
        const rest = [...(await idsOf()), ...(await idsOf({ tenant: 'globex' }))];
        expect(rest.toSorted()).toEqual([...left]);
      }
    });

    test('property: a search returns records of its tenant and partition only', async () => {
      const name = fc.constantFrom('a', 'b', 'c', "a'b", '{a}', 'ü');
      const record = fc.record({ tenant: name, partition: name, degrees: fc.integer({ min: 0, max: 60 }) });
      await fc.assert(
        fc.asyncProperty(
          fc.array(record, { maxLength: 12 }),
          name,
          name,
          async (facts, tenant, partition) => {
            const records = facts.map(({ degrees, ...of }, index) =>
              recordOf(`r${index}`, { ...of, vector: vectorAt(degrees) }),
            );
            await fill(...records);
            const own = records
              .filter((one) => one.owner.tenant === tenant && one.partition === partition)
              .map(({ id }) => id);
            expect((await idsOf({ tenant, partition, limit: 20, threshold: 0.1 })).toSorted()).toEqual(
              own.toSorted(),
            );
          },
        ),
        { numRuns: 15 },
      );
    });
  });
}
