import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { findCycles } from './cycles.ts';

test('finds a ring and the edge that closes it', () => {
  expect(findCycles([[1], [2], [3, 0], []])).toEqual([{ nodes: [0, 1, 2], edge: 1 }]);
  expect(findCycles([[0]])).toEqual([{ nodes: [0], edge: 0 }]);
});

test('two ways to one node are no cycle', () => {
  expect(findCycles([[1, 2], [3], [3], []])).toEqual([]);
});

test('a chain of 100,000 does not exhaust the stack', () => {
  const last = 100_000;
  expect(findCycles(Array.from({ length: last + 1 }, (_, n) => [n === last ? 0 : n + 1]))).toHaveLength(1);
});

test('reports none exactly when repeatedly taking away the leaves leaves nothing', () => {
  const graph = fc
    .integer({ min: 1, max: 8 })
    .chain((size) =>
      fc.array(fc.array(fc.nat(size - 1), { maxLength: 3 }), { minLength: size, maxLength: size }),
    );
  fc.assert(
    fc.property(graph, (edges) => {
      const gone = new Set<number>();
      for (let round = 0; round < edges.length; round++) {
        edges.forEach((to, node) => {
          if (to.every((next) => gone.has(next))) gone.add(node);
        });
      }
      const cycles = findCycles(edges);
      expect(cycles.length === 0).toBe(gone.size === edges.length);
      for (const { nodes, edge } of cycles) {
        const ring = [...nodes, nodes[0]];
        nodes.forEach((node, index) => {
          expect(edges[node]).toContain(ring[index + 1] as number);
        });
        expect(edges[nodes.at(-1) as number]?.[edge]).toBe(nodes[0] as number);
      }
    }),
  );
});
