/**
 * Which of the offered models suit a task. Pure: what is known of each model comes in, a ranked list with reasons
 * comes out. Needs are read from the task's words by the table below, and from explicit constraints, which are hard.
 */

export interface CandidateFacts {
  readonly id: string;
  readonly provider: string;
  readonly contextWindow?: number;
  readonly capabilities: Readonly<Record<string, boolean | undefined>>;
  /** US dollars per million tokens, as decimals. */
  readonly inputPrice?: string;
  readonly outputPrice?: string;
  /** `YYYY-MM`. */
  readonly knowledgeCutoff?: string;
  readonly openWeights?: boolean;
}

export interface SuggestionConstraints {
  /** US dollars per million tokens. */
  readonly maxInputPrice?: number | undefined;
  readonly maxOutputPrice?: number | undefined;
  readonly minContextWindow?: number | undefined;
  readonly capabilities?: readonly string[] | undefined;
  readonly providers?: readonly string[] | undefined;
  readonly exclude?: readonly string[] | undefined;
}

export interface SuggestionRequest {
  readonly task: string;
  readonly constraints: SuggestionConstraints;
  readonly expected: { readonly inputTokens: number; readonly outputTokens: number };
  readonly limit: number;
}

export interface Suggestion {
  readonly model: string;
  readonly provider: string;
  /** 0 to 1, comparable within one answer only. */
  readonly score: number;
  readonly reasons: readonly string[];
  /** US dollars for the expected tokens. */
  readonly estimatedCost?: number;
}

export interface SuggestionResult {
  readonly suggestions: readonly Suggestion[];
  /** What was read out of the task. */
  readonly needs: readonly string[];
  /** How many models each constraint ruled out. */
  readonly excluded: Readonly<Record<string, number>>;
}

interface Need {
  readonly name: string;
  readonly words: RegExp;
  /** Models without it can't do the task. */
  readonly capability?: string;
  /** Models with it do the task better. */
  readonly prefers?: string;
  readonly minContextWindow?: number | undefined;
  /** How much quality counts against price: 1 is quality alone. */
  readonly quality?: number;
}

/** What the words of a task say about the model for it. */
const NEEDS: readonly Need[] = [
  {
    name: 'embeddings',
    words: /\bembed(?:ding)?s?\b|\bvector(?:s|i[sz]e)?\b|semantic search/i,
    capability: 'embeddings',
  },
  { name: 'reranking', words: /\bre-?rank/i, capability: 'rerank' },
  {
    name: 'vision',
    words:
      /\bimages?\b|\bphotos?\b|\bscreenshots?\b|\bpictures?\b|\bocr\b|\bdiagrams?\b|\bvision\b|\bcharts?\b/i,
    capability: 'vision',
  },
  {
    name: 'audio',
    words: /\baudio\b|\bspeech\b|\btranscri(?:be|pt|ption)|\bvoice\b|\brecordings?\b/i,
    capability: 'audio',
  },
  {
    name: 'tool use',
    words: /\bagents?\b|\bagentic\b|\btools?\b|function call|\bapi calls?\b|\bautomat(?:e|ion)\b|\bbrows/i,
    capability: 'tools',
  },
  {
    name: 'structured output',
    words:
      /\bjson\b|\bextract(?:s|ion|ing)?\b|\bschema\b|\bstructured\b|\bclassif(?:y|ication)|\blabel(?:l?ing)?\b|\bparse\b/i,
    prefers: 'structuredOutput',
  },
  {
    name: 'reasoning',
    words:
      /\breason(?:ing)?\b|\bmath|\bproofs?\b|\bprove\b|\bplan(?:ning)?\b|\bpuzzles?\b|\bcomplex\b|\banaly[sz]e|\bdebug|\bresearch\b|\bscien/i,
    prefers: 'reasoning',
    quality: 0.8,
  },
  {
    name: 'code',
    words:
      /\bcod(?:e|ing)\b|\bprogram|\brefactor|\bsql\b|\bpython\b|\btypescript\b|\bunit tests?\b|\bpull requests?\b|\bbugs?\b/i,
    prefers: 'reasoning',
    quality: 0.75,
  },
  {
    name: 'long documents',
    words:
      /\blong\b|\bbooks?\b|\bcontracts?\b|\breports?\b|\bwhole (?:file|repo|codebase)|\brepositor(?:y|ies)\b|\bcodebase\b|\bhundreds? of pages\b|\bpdfs?\b/i,
    minContextWindow: 100_000,
  },
  {
    name: 'low cost',
    words:
      /\bcheap(?:est|ly)?\b|\blow[- ]cost\b|\bbulk\b|\bmillions? of\b|\bthousands? of\b|\bbudget\b|\bhigh[- ]volume\b|\bbatch/i,
    quality: 0.15,
  },
  {
    name: 'speed',
    words: /\bfast(?:est)?\b|\blow[- ]latency\b|\breal[- ]?time\b|\bquick(?:ly)?\b|\bautocomplet/i,
    quality: 0.25,
  },
  {
    name: 'simple text',
    words:
      /\bsummar|\btranslat|\brewrite\b|\brephrase\b|\bproofread|\bchat\b|\bgreet|\bshort\b|\bsimple\b|\bfaq\b/i,
    quality: 0.35,
  },
];

const DEFAULT_QUALITY = 0.5;

function rate(price: string | undefined): number | undefined {
  return price === undefined ? undefined : Number(price);
}

/** Why a model is out, or `undefined`. */
function ruledOut(
  model: CandidateFacts,
  { constraints, expected }: SuggestionRequest,
  needs: readonly Need[],
): string | undefined {
  const input = rate(model.inputPrice);
  const output = rate(model.outputPrice);
  if (constraints.exclude?.includes(model.id)) return 'excluded by name';
  if (constraints.providers && !constraints.providers.includes(model.provider)) return 'another provider';
  for (const name of constraints.capabilities ?? []) {
    if (model.capabilities[name] !== true) return `without ${name}, or not known to have it`;
  }
  const { maxInputPrice, maxOutputPrice } = constraints;
  if (maxInputPrice !== undefined && !(input !== undefined && input <= maxInputPrice)) {
    return 'input price too high, or not known';
  }
  if (maxOutputPrice !== undefined && !(output !== undefined && output <= maxOutputPrice)) {
    return 'output price too high, or not known';
  }
  const window = constraints.minContextWindow;
  if (window !== undefined && !(model.contextWindow !== undefined && model.contextWindow >= window)) {
    return 'context window too small, or not known';
  }
  const wanted = expected.inputTokens + expected.outputTokens;
  if (model.contextWindow !== undefined && model.contextWindow < wanted)
    return 'the expected tokens do not fit';
  for (const { capability } of needs) {
    // Not known is not the same as no: the ranking tells the two apart.
    if (capability !== undefined && model.capabilities[capability] === false) return `without ${capability}`;
  }
  const wantsVectors = needs.some(({ capability }) => capability === 'embeddings' || capability === 'rerank');
  const isSpecial = model.capabilities.embeddings === true || model.capabilities.rerank === true;
  return isSpecial && !wantsVectors ? 'not a chat model' : undefined;
}

/** Ranks the models that suit; see the module's comment. */
export function suggestModels(
  models: readonly CandidateFacts[],
  request: SuggestionRequest,
): SuggestionResult {
  const needs = NEEDS.filter(({ words }) => words.test(request.task));
  const excluded: Record<string, number> = {};
  const left = models.filter((model) => {
    const reason = ruledOut(model, request, needs);
    if (reason !== undefined) excluded[reason] = (excluded[reason] ?? 0) + 1;
    return reason === undefined;
  });
  const qualities = needs.flatMap(({ quality }) => (quality === undefined ? [] : [quality]));
  const quality =
    qualities.length === 0
      ? DEFAULT_QUALITY
      : qualities.reduce((sum, one) => sum + one, 0) / qualities.length;
  const costs = left.flatMap((model) => costOf(model, request.expected) ?? []);
  const range = { least: Math.min(...costs), most: Math.max(...costs) };
  const suggestions = left
    .map((model) => rank(model, request, needs, quality, range))
    .sort((a, b) => b.score - a.score || a.model.localeCompare(b.model))
    .slice(0, request.limit);
  return { suggestions, needs: needs.map(({ name }) => name), excluded };
}

function costOf(model: CandidateFacts, expected: SuggestionRequest['expected']): number | undefined {
  const input = rate(model.inputPrice);
  const output = rate(model.outputPrice);
  if (input === undefined || output === undefined) return undefined;
  return (input * expected.inputTokens + output * expected.outputTokens) / 1e6;
}

/** Where a value lies between two others on a logarithmic scale: prices differ by factors. */
function position(value: number, { least, most }: { least: number; most: number }): number {
  const shift = 1e-9;
  const width = Math.log((most + shift) / (least + shift));
  return width <= 0 ? 0.5 : Math.log((value + shift) / (least + shift)) / width;
}

function rank(
  model: CandidateFacts,
  { expected }: SuggestionRequest,
  needs: readonly Need[],
  quality: number,
  range: { least: number; most: number },
): Suggestion {
  const reasons: string[] = [];
  let fit = 0;
  let asked = 0;
  for (const { name, capability, prefers, minContextWindow } of needs) {
    const wanted = capability ?? prefers;
    if (wanted !== undefined) {
      asked += 1;
      const has = model.capabilities[wanted];
      if (has === true) {
        fit += 1;
        reasons.push(`The task asks for ${name}, which this model is known for (${wanted}).`);
      } else if (has === undefined) reasons.push(`Whether it is good at ${name} is not known (${wanted}).`);
      else reasons.push(`It has no ${wanted}, which would help with ${name}.`);
    }
    if (minContextWindow !== undefined) {
      asked += 1;
      if ((model.contextWindow ?? 0) >= minContextWindow) {
        fit += 1;
        reasons.push(`Its context window of ${model.contextWindow} tokens is large enough for ${name}.`);
      } else if (model.contextWindow === undefined) reasons.push('Its context window is not known.');
      else reasons.push(`Its context window of ${model.contextWindow} tokens is small for ${name}.`);
    }
  }
  const cost = costOf(model, expected);
  // Vendors price their better models higher: within one list, price is the best sign of quality there is in data.
  const place = cost === undefined ? 0.5 : position(cost, range);
  const value = quality * place + (1 - quality) * (1 - place);
  if (cost === undefined) reasons.push('Its price is not known.');
  else {
    const tokens = `${expected.inputTokens} + ${expected.outputTokens} tokens`;
    reasons.push(`About ${cost.toPrecision(3)} US dollars for ${tokens}.`);
  }
  if (model.knowledgeCutoff !== undefined) reasons.push(`It knows the world until ${model.knowledgeCutoff}.`);
  const known = [model.contextWindow, model.inputPrice, model.capabilities.tools].filter(
    (fact) => fact !== undefined,
  );
  const score = 0.6 * (asked === 0 ? 1 : fit / asked) + 0.35 * value + 0.05 * (known.length / 3);
  return {
    model: model.id,
    provider: model.provider,
    score: Math.round(score * 1000) / 1000,
    reasons,
    ...(cost === undefined ? {} : { estimatedCost: cost }),
  };
}
