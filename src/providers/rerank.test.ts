import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { toBytes } from '../../test/support/bytes.ts';
import { upstreamHeaders } from '../../test/support/fake-transport.ts';
import { testContext, testTarget } from '../../test/support/inference.ts';
import type { RerankRequest } from '../core/rerank.ts';
import type { Warning } from '../core/warning.ts';
import type { EmbeddingFormat } from './format.ts';
import { jinaRerank } from './rerank-jina.ts';
import { readRerankResults } from './rerank-results.ts';
import { rerankThroughEmbeddings } from './rerank-through-embeddings.ts';

const request: RerankRequest = { query: 'q', documents: ['a', 'b', 'c'], topN: 2, extensions: {} };
const target = testTarget();
const output = (body: unknown) => ({
  status: 200,
  headers: upstreamHeaders({}),
  body: toBytes(JSON.stringify(body)),
});

describe('results', () => {
  test('come best first, and no more than asked for', () => {
    const given = [
      { index: 0, relevance_score: 0.1 },
      { index: 2, score: 0.9 },
      { index: 1, relevance_score: 0.5 },
    ];
    expect(readRerankResults(given, request)).toEqual([
      { index: 2, score: 0.9 },
      { index: 1, score: 0.5 },
    ]);
  });

  test.each([
    [{}],
    [[{ index: 3, relevance_score: 1 }]],
    [[{ index: 0 }]],
    [
      [
        { index: 0, score: 1 },
        { index: 0, score: 2 },
      ],
    ],
    [['x']],
  ])('%j does not fit', (value) => {
    expect(readRerankResults(value, request)).toBeUndefined();
  });
});

test('Jina’s form', () => {
  const format = jinaRerank(({ provider }) => `${provider.baseUrl}/rerank`);
  const built = format.build({ ...request, extensions: { truncation: true } }, target, testContext());
  expect(built.url).toBe('http://upstream.test/v1/rerank');
  expect(JSON.parse(built.body)).toEqual({
    truncation: true,
    model: 'up',
    query: 'q',
    documents: ['a', 'b', 'c'],
    top_n: 2,
  });
  const body = { results: [{ index: 1, relevance_score: 1 }], usage: { total_tokens: 7 } };
  expect(format.parse(output(body), target, request)).toMatchObject({
    results: [{ index: 1, score: 1 }],
    usage: { inputTokens: 7 },
  });
});

describe('through embeddings', () => {
  const embeddings = (vectors: readonly (readonly number[])[]): EmbeddingFormat => ({
    build: ({ inputs }) => ({ url: 'u', body: JSON.stringify(inputs) }),
    parse: () => ({ vectors }),
  });

  test('asks for the query and the documents, and says so', () => {
    const warnings: Warning[] = [];
    const context = testContext({ warn: (warning) => warnings.push(warning) });
    const built = rerankThroughEmbeddings(embeddings([])).build(request, target, context);
    expect(JSON.parse(built.body)).toEqual(['q', 'a', 'b', 'c']);
    expect(warnings).toMatchObject([{ kind: 'changed' }]);
  });

  test('ranks by direction, not by length; a vector without direction is last of the neutral ones', () => {
    const format = rerankThroughEmbeddings(
      embeddings([
        [1, 0],
        [0, 0],
        [9, 9],
        [0.1, 0],
      ]),
    );
    const { results } = format.parse(output({}), target, request);
    expect(results.map(({ index }) => index)).toEqual([2, 1]);
    expect(results[0]?.score).toBeCloseTo(1);
  });

  test('any vectors: scores within -1 and 1, in falling order', () => {
    const vector = fc.array(fc.double({ min: -1e3, max: 1e3, noNaN: true }), { minLength: 3, maxLength: 3 });
    fc.assert(
      fc.property(fc.array(vector, { minLength: 4, maxLength: 4 }), (vectors) => {
        const format = rerankThroughEmbeddings(embeddings(vectors));
        const { results } = format.parse(output({}), target, { ...request, topN: 3 });
        const scores = results.map(({ score }) => score);
        expect([...scores].sort((a, b) => b - a)).toEqual(scores);
        for (const score of scores) expect(Math.abs(score)).toBeLessThanOrEqual(1 + 1e-9);
      }),
    );
  });
});
