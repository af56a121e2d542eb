import type { AssistantPart } from '../core/chat/request.ts';
import type { ChatChoice, ChatResult } from '../core/chat/result.ts';
import type { CompleteResult } from '../core/complete-result.ts';
import type { CheckedText } from '../guardrails/guardrail.ts';
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
  const after: string[] = [];
  let blocks = false;
  for (const { checked } of texts) {
    const passed = await passText(guardrails.text, checked, run, now);
    if (passed.blocks) blocks = true;
    after.push(passed.text);
  }
  const remote = blocks ? after : await passRemote(guardrails.remote, texts, after, run, scope, now);
  if (!remote || blocks) {
    return { result: result.withChat(blockedChat(chat)), lacksLogprobs: false };
  }
  if (texts.every(({ checked }, index) => checked.text === remote[index])) {
    return { result, lacksLogprobs: false };
  }
  const lacksLogprobs = chat.choices.some(({ logprobs }) => logprobs !== undefined);
  return { result: result.withChat(withTexts(chat, texts, remote)), lacksLogprobs };
}

/** The response that a client receives in place of one that a guardrail blocks. */
export function blockedChat(chat: ChatResult): ChatResult {
  return { ...chat, choices: chat.choices.map(blockedChoice) };
}

async function passRemote(
  remote: readonly RemoteGuardrail[],
  texts: readonly TextOfResult[],
  before: readonly string[],
  run: GuardrailRun,
  scope: Cancellable,
  now: () => number,
): Promise<readonly string[] | undefined> {
  let current = before;
  const batch = () => texts.map(({ checked }, index) => ({ ...checked, text: current[index] ?? '' }));
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
function withTexts(chat: ChatResult, texts: readonly TextOfResult[], after: readonly string[]): ChatResult {
  const changed = new Map(
    texts.map(({ choice, part }, index) => [`${choice} ${part}`, after[index]] as const),
  );
  return {
    ...chat,
    choices: chat.choices.map(({ logprobs: _, ...choice }, at) => ({
      ...choice,
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
