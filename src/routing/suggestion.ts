/**
 * Ranks models for a task. Needs are derived from the words of the task by the table below; explicit constraints rule
 * models out.
 */

/** The facts of one model. Undefined means unknown. */
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
  /** Words for what it is good at, from the configuration. */
  readonly bestFor?: readonly string[];
}

/** Models that do not meet a constraint, or whose value is unknown, are ruled out. */
export interface SuggestionConstraints {
  /** US dollars per million tokens. */
  readonly maxInputPrice?: number | undefined;
  readonly maxOutputPrice?: number | undefined;
  readonly minContextWindow?: number | undefined;
  readonly capabilities?: readonly string[] | undefined;
  readonly providers?: readonly string[] | undefined;
  readonly exclude?: readonly string[] | undefined;
}

/** A task and what is required of the model for it. */
export interface SuggestionRequest {
  /** In natural language. */
  readonly task: string;
  readonly constraints: SuggestionConstraints;
  readonly expected: { readonly inputTokens: number; readonly outputTokens: number };
  /** Largest number of suggestions. */
  readonly limit: number;
}

/** A suggested model. */
export interface Suggestion {
  readonly model: string;
  readonly provider: string;
  /** 0 to 1, comparable within one result only. */
  readonly score: number;
  readonly reasons: readonly string[];
  /** US dollars for the expected tokens. */
  readonly estimatedCost?: number;
}

/** Suggestions, the best first. */
export interface SuggestionResult {
  readonly suggestions: readonly Suggestion[];
  /** Names of the needs that were derived from the task. */
  readonly needs: readonly string[];
  /** Number of models that each reason ruled out. */
  readonly excluded: Readonly<Record<string, number>>;
}

interface Need {
  readonly name: string;
  readonly words: RegExp;
  /** Required capability. */
  readonly capability?: string;
  /** Capability that improves the result. */
  readonly prefers?: string;
  readonly minContextWindow?: number | undefined;
  /** Weight of quality against price, 0 to 1. */
  readonly quality?: number;
}

/** Words of a task and the needs that they imply. */
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

/** @returns why a model is ruled out; undefined where it is not */
function exclusionReason(
  model: CandidateFacts,
  { constraints, expected }: SuggestionRequest,
  needs: readonly Need[],
): string | undefined {
  const input = rate(model.inputPrice);
  const output = rate(model.outputPrice);
  if (constraints.exclude?.includes(model.id)) return 'excluded by name';
  if (constraints.providers && !constraints.providers.includes(model.provider)) return 'another provider';
  for (const name of constraints.capabilities ?? []) {
    if (model.capabilities[name] !== true) return `without ${name}, or unknown`;
  }
  const { maxInputPrice, maxOutputPrice } = constraints;
  if (maxInputPrice !== undefined && !(input !== undefined && input <= maxInputPrice)) {
    return 'input price too high, or unknown';
  }
  if (maxOutputPrice !== undefined && !(output !== undefined && output <= maxOutputPrice)) {
    return 'output price too high, or unknown';
  }
  const window = constraints.minContextWindow;
  if (window !== undefined && !(model.contextWindow !== undefined && model.contextWindow >= window)) {
    return 'context window too small, or unknown';
  }
  const wanted = expected.inputTokens + expected.outputTokens;
  if (model.contextWindow !== undefined && model.contextWindow < wanted)
    return 'the expected tokens do not fit';
  for (const { capability } of needs) {
    // An unknown capability does not rule a model out; it only lowers the rank.
    if (capability !== undefined && model.capabilities[capability] === false) return `without ${capability}`;
  }
  const wantsVectors = needs.some(({ capability }) => capability === 'embeddings' || capability === 'rerank');
  const isSpecial = model.capabilities.embeddings === true || model.capabilities.rerank === true;
  return isSpecial && !wantsVectors ? 'not a chat model' : undefined;
}

/** Ranks the models that meet the constraints and needs of a task. */
export function suggestModels(
  models: readonly CandidateFacts[],
  request: SuggestionRequest,
): SuggestionResult {
  const needs = NEEDS.filter(({ words }) => words.test(request.task));
  const excluded: Record<string, number> = {};
  const left = models.filter((model) => {
    const reason = exclusionReason(model, request, needs);
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

/** The position of a value between two others, 0 to 1, on a logarithmic scale because prices differ by factors. */
function position(value: number, { least, most }: { least: number; most: number }): number {
  const shift = 1e-9;
  const width = Math.log((most + shift) / (least + shift));
  return width <= 0 ? 0.5 : Math.log((value + shift) / (least + shift)) / width;
}

function rank(
  model: CandidateFacts,
  { expected, task }: SuggestionRequest,
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
        reasons.push(`Supports ${wanted}, which the task needs (${name}).`);
      } else if (has === undefined)
        reasons.push(`Support for ${wanted} is unknown; the task needs it (${name}).`);
      else reasons.push(`Does not support ${wanted}, which would help with ${name}.`);
    }
    if (minContextWindow !== undefined) {
      asked += 1;
      if ((model.contextWindow ?? 0) >= minContextWindow) {
        fit += 1;
        reasons.push(`Its context window of ${model.contextWindow} tokens is large enough for ${name}.`);
      } else if (model.contextWindow === undefined) reasons.push('Its context window is unknown.');
      else reasons.push(`Its context window of ${model.contextWindow} tokens is small for ${name}.`);
    }
  }
  const words = task.toLowerCase();
  const named = model.bestFor?.filter((word) => words.includes(word.toLowerCase())) ?? [];
  if (named.length > 0) {
    asked += 1;
    fit += 2;
    reasons.push(`Configured as good at ${named.join(', ')}.`);
  }
  const cost = costOf(model, expected);
  // Vendors price better models higher, so price is the best available indicator of quality within one list.
  const place = cost === undefined ? 0.5 : position(cost, range);
  const value = quality * place + (1 - quality) * (1 - place);
  if (cost === undefined) reasons.push('Its price is unknown.');
  else {
    const tokens = `${expected.inputTokens} + ${expected.outputTokens} tokens`;
    reasons.push(`About ${cost.toPrecision(3)} US dollars for ${tokens}.`);
  }
  if (model.knowledgeCutoff !== undefined)
    reasons.push(`Its training data ends in ${model.knowledgeCutoff}.`);
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
