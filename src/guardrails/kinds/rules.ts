import { fromJSONSchema } from 'zod';
import type { ChatResult } from '../../core/chat/result.ts';
import { isRecord } from '../../core/json.ts';
import type {
  CheckContext,
  CheckedText,
  GuardrailAction,
  RequestShape,
  ResponseVerdict,
  TextChecker,
  TextStream,
  TextVerdict,
  Verdict,
} from '../guardrail.ts';
import { HeldStream } from '../held-stream.ts';
import { matchesSet, type PatternSet } from '../pattern-sets.ts';
import { hasCode, languageOf } from '../rules/language.ts';
import { type NamedPattern, PatternFinder } from '../rules/patterns.ts';
import { SANITISED, type Sanitised, UncleanFinder } from '../rules/sanitise.ts';
import {
  countSpans,
  findSpans,
  type ReplaceSpan,
  replaceSpans,
  type SpanFinder,
  SpanStream,
} from '../rules/spans.ts';
import { UrlFinder } from '../rules/urls.ts';
import { WordFinder } from '../rules/words.ts';
import { piecesOf } from '../text-pieces.ts';

/** A subject, and the words that show it. */
export interface Topic {
  readonly name: string;
  readonly words: readonly string[];
  /** Different words of the topic that a text must have. */
  readonly min: number;
  /** Models that may read and write about it; none where the list is empty. */
  readonly models: readonly string[];
}

export interface RulesSettings {
  readonly length?: { readonly max: number } | undefined;
  /** Bytes of the body. */
  readonly size?: number | undefined;
  readonly tools?: number | undefined;
  readonly languages?: readonly string[] | undefined;
  readonly words?: readonly string[] | undefined;
  readonly topics?: readonly Topic[] | undefined;
  readonly patterns?: readonly NamedPattern[] | undefined;
  readonly sets?: readonly PatternSet[] | undefined;
  readonly urls?: { readonly allow: readonly string[] } | undefined;
  /** False: texts must not contain program code. */
  readonly code?: boolean | undefined;
  readonly sanitise?: readonly Sanitised[] | undefined;
  readonly response_schema?: Readonly<Record<string, unknown>> | undefined;
  /** Asks the model once more for a response that fits the schema. */
  readonly repair?: boolean | undefined;
}

const NOTHING: ReadonlyMap<string, number> = new Map<string, number>();
const REMOVED = '[REMOVED]';
type Schema = Parameters<typeof fromJSONSchema>[0];

/** Rules about length, words, topics, languages, addresses, code, and the form of responses. */
export class RulesChecker implements TextChecker {
  readonly mode = 'sync';
  readonly scope = 'generation';
  readonly #finders: readonly SpanFinder[];
  readonly #replace: ReplaceSpan;
  readonly #topics: readonly { readonly topic: Topic; readonly finder: WordFinder }[];
  readonly #languages: ReadonlySet<string> | undefined;
  readonly #schema: ReturnType<typeof fromJSONSchema> | undefined;
  readonly response?: (result: ChatResult) => ResponseVerdict;

  /** @throws Error for a pattern or schema that cannot be used */
  constructor(
    action: GuardrailAction,
    private readonly settings: RulesSettings,
  ) {
    const { words, patterns, urls, topics = [], languages, response_schema: schema } = settings;
    const cleans = action === 'sanitise' || settings.sanitise !== undefined;
    this.#finders = [
      ...(words ? [new WordFinder([{ kind: 'word', words }])] : []),
      ...(patterns ? [new PatternFinder(patterns)] : []),
      ...(urls ? [new UrlFinder(urls.allow)] : []),
      ...(cleans ? [new UncleanFinder(settings.sanitise ?? SANITISED)] : []),
    ];
    const cleaned: ReadonlySet<string> = new Set(SANITISED);
    this.#replace = (kind) => (cleaned.has(kind) ? '' : REMOVED);
    this.#topics = topics.map((topic) => ({
      topic,
      finder: new WordFinder(topic.words.map((word) => ({ kind: word, words: [word] }))),
    }));
    this.#languages = languages && new Set(languages);
    this.#schema = schema && fromJSONSchema(asSchema(schema));
    if (this.#schema) this.response = (result) => this.#checkResponse(result);
  }

  request({ characters, bytes, tools }: RequestShape): Verdict {
    const counts = new Map<string, number>();
    const { length, size, tools: most } = this.settings;
    if (length && characters > length.max) counts.set('length', 1);
    if (size !== undefined && bytes > size) counts.set('size', 1);
    if (most !== undefined && tools > most) counts.set('tools', 1);
    return { counts };
  }

  check(text: CheckedText, context: CheckContext): TextVerdict | Promise<TextVerdict> {
    const pieces = [...piecesOf(text.text, 0)];
    if (pieces.length <= 1) return this.#whole(text, context, this.#spans(text.text));
    return this.#checkLong(text, context);
  }

  stream({ role }: Omit<CheckedText, 'text'>, context: CheckContext): TextStream | undefined {
    const spans = this.#finders.length > 0 ? new SpanStream(this.#finders, this.#replace) : undefined;
    if (!this.#readsWholeTexts) return spans;
    let all = '';
    const rest = new HeldStream((piece) => {
      all = (all + piece).slice(-8_000);
      return {
        text: piece,
        counts: this.#wholeCounts({ text: all, role, stage: 'output', direction: 'output' }, context),
      };
    });
    return spans ? joined(spans, rest) : rest;
  }

  get #readsWholeTexts(): boolean {
    const { languages, code, sets } = this.settings;
    return this.#topics.length > 0 || languages !== undefined || code === false || (sets?.length ?? 0) > 0;
  }

  #spans(text: string) {
    const spans = findSpans(this.#finders, text);
    return { text: replaceSpans(text, spans, this.#replace), counts: countSpans(spans) };
  }

  async #checkLong(text: CheckedText, context: CheckContext): Promise<TextVerdict> {
    const stream = new SpanStream(this.#finders, this.#replace);
    const parts: string[] = [];
    const counts = new Map<string, number>();
    const add = (verdict: TextVerdict) => {
      parts.push(verdict.text);
      for (const [kind, count] of verdict.counts) counts.set(kind, (counts.get(kind) ?? 0) + count);
    };
    for (const [start, end] of piecesOf(text.text, 0)) {
      add(stream.push(text.text.slice(start, end)));
      await context.pause();
    }
    add(stream.end());
    return this.#whole(text, context, { text: parts.join(''), counts });
  }

  #whole(text: CheckedText, context: CheckContext, spans: Pick<TextVerdict, 'text' | 'counts'>): TextVerdict {
    const whole = this.#readsWholeTexts ? this.#wholeCounts(text, context) : NOTHING;
    if (whole.size === 0) return spans;
    return { text: spans.text, counts: new Map([...spans.counts, ...whole]) };
  }

  /** What is true of a text, and of no place in it. */
  #wholeCounts({ text, role }: CheckedText, { model }: CheckContext): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const { topic, finder } of this.#topics) {
      if (topic.models.includes(model)) continue;
      const found = new Set(finder.find(text).map(({ kind }) => kind));
      if (found.size >= topic.min) counts.set(`topic:${topic.name}`, 1);
    }
    const { code, sets = [] } = this.settings;
    if (this.#languages && (role === 'user' || role === 'assistant')) {
      const language = languageOf(text);
      if (language !== undefined && !this.#languages.has(language)) counts.set('language', 1);
    }
    if (code === false && hasCode(text)) counts.set('code', 1);
    for (const set of sets) if (matchesSet(set, text)) counts.set(set, 1);
    return counts;
  }

  #checkResponse({ choices }: ChatResult): ResponseVerdict {
    for (const { content } of choices) {
      if (content.some(({ type }) => type === 'tool-call')) continue;
      const text = content.map((part) => (part.type === 'text' ? part.text : '')).join('');
      const fault = this.#schemaFault(text);
      if (fault === undefined) continue;
      const verdict: ResponseVerdict = { counts: new Map([['response_schema', 1]]) };
      if (this.settings.repair === false) return verdict;
      return {
        ...verdict,
        repair: `Your response does not match the required JSON schema: ${fault}. Respond again with only the JSON, without any other text. The schema: ${JSON.stringify(this.settings.response_schema)}`,
      };
    }
    return { counts: NOTHING };
  }

  #schemaFault(text: string): string | undefined {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      return 'it is not valid JSON';
    }
    const result = this.#schema?.safeParse(value);
    if (!result || result.success) return undefined;
    const [issue] = result.error.issues;
    return issue ? `${issue.path.join('.') || 'the value'}: ${issue.message}` : 'it does not match';
  }
}

/** Passes each piece through both: what the first one sends on is what the second one checks. */
function joined(first: TextStream, second: TextStream): TextStream {
  const both = (one: TextVerdict, other: TextVerdict): TextVerdict => ({
    text: other.text,
    counts: new Map([...one.counts, ...other.counts]),
  });
  return {
    get held() {
      return first.held + second.held;
    },
    push(piece) {
      const one = first.push(piece);
      return both(one, second.push(one.text));
    },
    end() {
      const one = first.end();
      const other = second.push(one.text);
      const last = second.end();
      return both(one, { text: other.text + last.text, counts: new Map([...other.counts, ...last.counts]) });
    },
  };
}

/** A schema is an object with members of JSON Schema; zod reads those that it knows. */
function asSchema(schema: Readonly<Record<string, unknown>>): Schema {
  if (!isSchema(schema)) throw new Error('the schema is not an object');
  return schema;
}

function isSchema(schema: unknown): schema is Schema {
  return typeof schema === 'boolean' || isRecord(schema);
}
