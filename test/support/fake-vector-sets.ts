import { similarityOf } from '../../src/cache/embedders/embedder.ts';

interface Element {
  readonly vector: Float32Array;
  readonly attributes: string;
}

/**
 * The commands of Redis vector sets and sets that Weir sends, with the syntax and replies of Redis 8 (RESP2). Anything else
 * is an error, as at the server.
 */
export class FakeVectorSets {
  readonly ready = true;
  readonly #vectors = new Map<string, Map<string, Element>>();
  readonly #sets = new Map<string, Set<string>>();

  async call(command: string, args: readonly string[]): Promise<unknown> {
    const [key = '', ...rest] = args;
    switch (command) {
      case 'VADD':
        return this.#add(key, rest);
      case 'VSIM':
        return this.#similar(key, rest);
      case 'VREM':
        return this.#vectors.get(key)?.delete(rest[0] ?? '') ? 1 : 0;
      case 'VCARD':
        return this.#vectors.get(key)?.size ?? 0;
      case 'VRANDMEMBER':
        return [...(this.#vectors.get(key)?.keys() ?? [])].slice(0, Number(rest[0]));
      case 'VGETATTR':
        return this.#vectors.get(key)?.get(rest[0] ?? '')?.attributes ?? null;
      case 'SADD':
        this.#sets.set(key, new Set([...(this.#sets.get(key) ?? []), ...rest]));
        return 1;
      case 'SREM':
        for (const member of rest) this.#sets.get(key)?.delete(member);
        return 1;
      case 'SMEMBERS':
        return [...(this.#sets.get(key) ?? [])];
      case 'EXPIRE':
        return 1;
      default:
        throw new Error(`ERR unknown command '${command}'`);
    }
  }

  #add(key: string, args: readonly string[]): number {
    const { vector, rest } = vectorOf(args);
    const [id = '', quantization, option, attributes = '{}'] = rest;
    if (quantization !== 'NOQUANT' || option !== 'SETATTR') throw new Error('ERR syntax error');
    const elements = this.#vectors.get(key) ?? new Map<string, Element>();
    const [first] = elements.values();
    if (first && first.vector.length !== vector.length) throw new Error('ERR Vector dimension mismatch');
    this.#vectors.set(key, elements);
    elements.set(id, { vector, attributes });
    return 1;
  }

  #similar(key: string, args: readonly string[]): readonly string[] {
    const { vector, rest } = vectorOf(args);
    const [scores, count, limit = '10', filter, expression = ''] = rest;
    const match = /^\.expires > (\d+)$/.exec(expression);
    if (scores !== 'WITHSCORES' || count !== 'COUNT' || filter !== 'FILTER' || !match)
      throw new Error('ERR syntax error');
    return [...(this.#vectors.get(key) ?? [])]
      .filter(([, { attributes }]) => JSON.parse(attributes).expires > Number(match[1]))
      .map(([id, element]) => [id, (1 + similarityOf(vector, element.vector)) / 2] as const)
      .sort(([, a], [, b]) => b - a)
      .slice(0, Number(limit))
      .flatMap(([id, score]) => [id, String(score)]);
  }
}

function vectorOf([form, size = '0', ...rest]: readonly string[]) {
  if (form !== 'VALUES') throw new Error('ERR syntax error');
  const vector = Float32Array.from(rest.slice(0, Number(size)), Number);
  return { vector, rest: rest.slice(Number(size)) };
}
