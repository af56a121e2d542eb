import { isRecord, listOf, parseJsonText } from '../../core/json.ts';

const SPACE = '▁';
const UNKNOWN = 0;
/** Words whose tokens are remembered. */
const MAX_KNOWN = 20_000;
/** Longer runs without a space are cut: merging is quadratic in their length. Characters. */
const MAX_WORD = 64;

/**
 * Byte-pair encoding as in SentencePiece's models for Llama 2: a space becomes a part of the word after it, and characters
 * without a token become their bytes.
 *
 * @see https://huggingface.co/docs/tokenizers/api/models#tokenizers.models.BPE
 */
export class BpeTokenizer {
  readonly #known = new Map<string, readonly number[]>();

  private constructor(
    private readonly vocabulary: ReadonlyMap<string, number>,
    /** Rank of each pair of tokens that is merged, written with a space between them. */
    private readonly merges: ReadonlyMap<string, number>,
  ) {}

  /**
   * @param json the text of a `tokenizer.json`
   * @throws TypeError where it is not one of a byte-pair model
   */
  static parse(json: string): BpeTokenizer {
    const file = parseJsonText(json);
    const model = isRecord(file) ? file.model : undefined;
    if (!isRecord(model) || !isRecord(model.vocab) || model.type !== 'BPE') {
      throw new TypeError('the tokenizer file has no byte-pair model');
    }
    const vocabulary = new Map<string, number>();
    for (const [token, id] of Object.entries(model.vocab)) {
      if (typeof id === 'number') vocabulary.set(token, id);
    }
    const merges = new Map<string, number>();
    for (const merge of listOf(model.merges)) {
      if (typeof merge === 'string') merges.set(merge, merges.size);
    }
    return new BpeTokenizer(vocabulary, merges);
  }

  /** @returns ids of tokens, without those that begin and end a text */
  encode(text: string): readonly number[] {
    const ids: number[] = [];
    // No token goes on after a space, so that each word is encoded alone.
    const spaced = SPACE + text.replaceAll(' ', SPACE);
    for (const [word] of spaced.matchAll(/▁+[^▁]*/g)) {
      for (let at = 0; at < word.length; at += MAX_WORD)
        ids.push(...this.#word(word.slice(at, at + MAX_WORD)));
    }
    return ids;
  }

  #word(word: string): readonly number[] {
    const known = this.#known.get(word);
    if (known) return known;
    const ids = this.#merged([...word]).flatMap((token) => this.#idsOf(token));
    if (this.#known.size >= MAX_KNOWN) this.#known.clear();
    this.#known.set(word, ids);
    return ids;
  }

  #merged(parts: string[]): readonly string[] {
    for (;;) {
      let best = Number.POSITIVE_INFINITY;
      let place = -1;
      for (let at = 0; at + 1 < parts.length; at += 1) {
        const rank = this.merges.get(`${parts[at]} ${parts[at + 1]}`);
        if (rank !== undefined && rank < best) {
          best = rank;
          place = at;
        }
      }
      if (place === -1) return parts;
      parts.splice(place, 2, `${parts[place]}${parts[place + 1]}`);
    }
  }

  #idsOf(token: string): readonly number[] {
    const id = this.vocabulary.get(token);
    if (id !== undefined) return [id];
    return [...Buffer.from(token, 'utf8')].map(
      (byte) => this.vocabulary.get(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`) ?? UNKNOWN,
    );
  }
}
