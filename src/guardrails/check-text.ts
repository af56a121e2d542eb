import type { CheckContext, CheckedText, TextChecker, TextStream, TextVerdict } from './guardrail.ts';
import { isJsonText, JsonTextStream, jsonValues, keyPrefix, withJsonValues } from './json-text.ts';

/** A text, and the key before it where it is a value of a tool's data. */
export interface KeyedText extends CheckedText {
  readonly key?: string;
}

/**
 * Checks one whole text. Arguments of calls are checked value by value, and stay valid JSON.
 * @throws what the checker throws
 */
export function checkText(
  checker: TextChecker,
  text: KeyedText,
  context: CheckContext,
): TextVerdict | Promise<TextVerdict> {
  if (text.direction === 'tool_call' && isJsonText(text.text)) return checkJson(checker, text, context);
  const prefix = keyPrefix(text.key ?? '');
  if (prefix === '') return checker.check(text, context);
  const verdict = checker.check({ ...text, text: prefix + text.text }, context);
  const strip = (one: TextVerdict): TextVerdict => ({ ...one, text: withoutPrefix(one.text, prefix) });
  return verdict instanceof Promise ? verdict.then(strip) : strip(verdict);
}

function withoutPrefix(text: string, prefix: string): string {
  return text.startsWith(prefix) ? text.slice(prefix.length) : text;
}

async function checkJson(
  checker: TextChecker,
  text: CheckedText,
  context: CheckContext,
): Promise<TextVerdict> {
  const values: string[] = [];
  const counts = new Map<string, number>();
  let score = 0;
  let acts = false;
  for (const { value, key } of jsonValues(text.text)) {
    const prefix = keyPrefix(key);
    const verdict = await checker.check({ ...text, text: prefix + value }, context);
    values.push(withoutPrefix(verdict.text, prefix));
    if (verdict.counts.size === 0) continue;
    score = Math.max(score, verdict.score ?? 1);
    if (verdict.action !== 'allow') acts = true;
    for (const [kind, count] of verdict.counts) counts.set(kind, (counts.get(kind) ?? 0) + count);
  }
  return {
    ...{ text: withJsonValues(text.text, values), counts, score },
    ...(acts ? {} : { action: 'allow' }),
  };
}

/**
 * Checks a text of a stream as it arrives.
 * @param isJson the text is the arguments of a call in JSON
 * @returns undefined where the checker does not read it
 */
export function checkStream(
  checker: TextChecker,
  text: Omit<CheckedText, 'text'>,
  context: CheckContext,
  isJson: boolean,
): TextStream | undefined {
  const first = checker.stream(text, context);
  if (!first || !isJson) return first;
  let unused: TextStream | undefined = first;
  return new JsonTextStream(() => {
    const stream = unused ?? checker.stream(text, context) ?? PASS;
    unused = undefined;
    return stream;
  });
}

/** Of a checker that reads some texts of a kind only. */
const PASS: TextStream = {
  held: 0,
  push: (text) => ({ text, counts: new Map() }),
  end: () => ({ text: '', counts: new Map() }),
};
