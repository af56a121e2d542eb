import type { AssistantPart } from '../core/chat/request.ts';
import type { ChatChoice, ChatResult, TokenLogprobs } from '../core/chat/result.ts';
import type { CompleteResult } from '../core/complete-result.ts';
import { parseJsonText } from '../core/json.ts';
import { writeChanges } from '../core/json-changes.ts';
import type { CheckedText } from '../guardrails/guardrail.ts';
import {
  functionName,
  isFunctionName,
  type MapResponseText,
  mapCitation,
  mapResponseTexts,
  type ResponseText,
} from '../guardrails/response-texts.ts';
import {
  type Cancellable,
  passBatch,
  passText,
  type RemoteGuardrail,
  type TextGuardrail,
} from './guardrail-check.ts';
import type { GuardrailRun } from './guardrail-run.ts';

/** The texts of a response, and where each of them is. */
interface TextOfResult {
  readonly choice: number;
  readonly part: number;
  readonly checked: CheckedText;
}

/** A complete response that passed its guardrails. */
export interface CheckedResult {
  readonly result: CompleteResult;
  /** Log probabilities were left out, because they name tokens of a text that changed. */
  readonly lacksLogprobs: boolean;
}

/** Passes a complete response through the guardrails that read it. */
export async function checkResult(
  result: CompleteResult,
  guardrails: { readonly text: readonly TextGuardrail[]; readonly remote: readonly RemoteGuardrail[] },
  run: GuardrailRun,
  scope: Cancellable,
  now: () => number,
): Promise<CheckedResult> {
  const chat = result.chat();
  if (!chat) return { result, lacksLogprobs: false };
  const texts = textsOf(chat);
  const others = otherTexts(result, texts);
  const all = [...texts.map(({ checked }) => checked), ...others];
  const after: string[] = [];
  let blocks = false;
  for (const checked of all) {
    const passed = await passText(guardrails.text, checked, run, now);
    if (passed.blocks) blocks = true;
    after.push(passed.text);
  }
  const remote = blocks ? after : await passRemote(guardrails.remote, all, after, run, scope, now);
  if (!remote || blocks) {
    return { result: result.withChat(blockedChat(chat)), lacksLogprobs: false };
  }
  const changes = new ValueChanges(others, remote.slice(texts.length));
  const isSame = texts.every(({ checked }, index) => checked.text === remote[index]);
  // Tokens that are not those of the text are read as another text.
  const lacksLogprobs = chat.choices.some(
    ({ logprobs }) => logprobs !== undefined && (!isSame || changes.change(tokensOf(logprobs))),
  );
  if (isSame && changes.size === 0) return { result, lacksLogprobs: false };
  const edited = changes.ofChat(withTexts(chat, texts, remote, lacksLogprobs));
  const rendered = isSame && !lacksLogprobs ? result : result.withChat(edited);
  return { result: changes.ofResult(rendered, edited), lacksLogprobs };
}

/** The texts of a response in addition to those of its canonical form: each once. */
function otherTexts(result: CompleteResult, texts: readonly TextOfResult[]): readonly CheckedText[] {
  const covered = new Set(texts.map(({ checked }) => checked.text));
  const others = new Map<string, CheckedText>();
  const add = ({ text, direction }: ResponseText) => {
    if (!others.has(text)) others.set(text, { text, direction, stage: 'output', role: 'assistant' });
    return text;
  };
  mapResponseTexts(parseJsonText(result.text), covered, add);
  for (const { content, logprobs } of result.chat()?.choices ?? []) {
    for (const part of content) mapPart(part, add);
    const tokens = tokensOf(logprobs ?? []);
    // Of a translated response, the client's form may lack them.
    if (tokens !== '' && !covered.has(tokens)) add({ text: tokens, direction: 'output' });
  }
  return [...others.values()];
}

function tokensOf(logprobs: TokenLogprobs): string {
  return logprobs.map(({ token }) => (typeof token === 'string' ? token : '')).join('');
}

/** Changes what the text of a part leaves out: citations, the names of functions, and parts without a canonical form. */
function mapPart(part: AssistantPart, map: MapResponseText): AssistantPart {
  switch (part.type) {
    case 'text':
      return part.citations
        ? { ...part, citations: part.citations.map((one) => mapCitation(one, map)) }
        : part;
    case 'tool-call':
      return isFunctionName(part.name)
        ? part
        : { ...part, name: functionName(map({ text: part.name, direction: 'tool_call' })) };
    case 'unknown':
      return { ...part, value: Object(mapResponseTexts(part.value, NOTHING_COVERED, map)) };
    default:
      return part;
  }
}

/** Replaces texts of a response by their value, wherever they are. */
class ValueChanges {
  readonly #changed = new Map<string, string>();

  constructor(before: readonly CheckedText[], after: readonly string[]) {
    for (const [index, { text }] of before.entries()) {
      const changed = after[index];
      if (changed !== undefined && changed !== text) this.#changed.set(text, changed);
    }
  }

  get size(): number {
    return this.#changed.size;
  }

  /** Whether a text changes. */
  change(text: string): boolean {
    return this.#changed.has(text);
  }

  ofChat(chat: ChatResult): ChatResult {
    if (this.size === 0) return chat;
    return {
      ...chat,
      choices: chat.choices.map((choice) => ({
        ...choice,
        content: choice.content.map((part) => mapPart(part, this.#map)),
      })),
    };
  }

  /** @param chat its canonical form, changed */
  ofResult(result: CompleteResult, chat: ChatResult): CompleteResult {
    if (this.size === 0) return result;
    const before = parseJsonText(result.text);
    const after = mapResponseTexts(before, NOTHING_COVERED, this.#map);
    return result.withText(after === before ? result.text : writeChanges(result.text, before, after), chat);
  }

  readonly #map: MapResponseText = ({ text }) => this.#changed.get(text) ?? text;
}

const NOTHING_COVERED: ReadonlySet<string> = new Set<string>();

/** The response that a client receives in place of one that a guardrail blocks. */
export function blockedChat(chat: ChatResult): ChatResult {
  return { ...chat, choices: chat.choices.map(blockedChoice) };
}

async function passRemote(
  remote: readonly RemoteGuardrail[],
  texts: readonly CheckedText[],
  before: readonly string[],
  run: GuardrailRun,
  scope: Cancellable,
  now: () => number,
): Promise<readonly string[] | undefined> {
  let current = before;
  const batch = () => texts.map((checked, index) => ({ ...checked, text: current[index] ?? '' }));
  for (const one of remote) {
    if (!one.guardrail.changesTexts) continue;
    const passed = await passBatch(one, batch(), 'output', run, now, scope);
    if (!passed) return undefined;
    current = passed;
  }
  const waits = ({ guardrail }: RemoteGuardrail) =>
    guardrail.action === 'block' || guardrail.policy.fail === 'closed';
  const others = remote.filter(({ guardrail }) => !guardrail.changesTexts);
  for (const one of others) {
    if (!waits(one)) passBatch(one, batch(), 'output', run, now).catch(() => undefined);
  }
  const verdicts = await Promise.all(
    others.filter(waits).map((one) => passBatch(one, batch(), 'output', run, now, scope)),
  );
  return verdicts.includes(undefined) ? undefined : current;
}

function blockedChoice({ index }: ChatChoice): ChatChoice {
  return { index, content: [], finish: { unified: 'content-filter', raw: 'content_filter' } };
}

function textsOf({ choices }: ChatResult): readonly TextOfResult[] {
  return choices.flatMap(({ content }, choice) =>
    content.flatMap((one, part) => {
      const checked = checkedPart(one);
      return checked ? [{ choice, part, checked }] : [];
    }),
  );
}

function checkedPart(part: AssistantPart): CheckedText | undefined {
  const common = { stage: 'output', role: 'assistant' } as const;
  switch (part.type) {
    case 'text':
    case 'reasoning':
    case 'refusal':
      return { ...common, direction: 'output', text: part.text };
    case 'tool-call':
      return { ...common, direction: 'tool_call', text: part.arguments };
    default:
      return undefined;
  }
}

/** Log probabilities name the tokens of the texts before. */
function withTexts(
  chat: ChatResult,
  texts: readonly TextOfResult[],
  after: readonly string[],
  lacksLogprobs: boolean,
): ChatResult {
  const changed = new Map(
    texts.map(({ choice, part }, index) => [`${choice} ${part}`, after[index]] as const),
  );
  return {
    ...chat,
    choices: chat.choices.map(({ logprobs, ...choice }, at) => ({
      ...choice,
      ...(logprobs && !lacksLogprobs && { logprobs }),
      content: choice.content.map((part, index) => withText(part, changed.get(`${at} ${index}`))),
    })),
  };
}

/** A signature is that of the text before. */
function withText(part: AssistantPart, text: string | undefined): AssistantPart {
  if (text === undefined) return part;
  switch (part.type) {
    case 'text':
    case 'reasoning': {
      const { signature: _, ...unsigned } = part;
      return text === part.text ? part : { ...unsigned, text };
    }
    case 'refusal':
      return text === part.text ? part : { ...part, text };
    case 'tool-call': {
      const { signature: _, ...unsigned } = part;
      return text === part.arguments ? part : { ...unsigned, arguments: text };
    }
    default:
      return part;
  }
}
