import {
  at,
  countAt,
  emptyAnswer,
  type Finish,
  listAt,
  type ReadAnswer,
  textAt,
  usageOf,
  valueAt,
} from '../answer.ts';

const FINISH: Readonly<Record<string, Finish>> = {
  STOP: 'stop',
  MAX_TOKENS: 'length',
  SAFETY: 'filtered',
  RECITATION: 'filtered',
  BLOCKLIST: 'filtered',
  PROHIBITED_CONTENT: 'filtered',
  SPII: 'filtered',
  IMAGE_SAFETY: 'filtered',
};

/** One or many GenerateContentResponse objects: a stream is a list of them. */
export function readGemini(chunks: readonly unknown[]): ReadAnswer {
  const answer = emptyAnswer();
  for (const chunk of chunks) {
    const candidate = at(chunk, 'candidates', 0);
    for (const part of listAt(candidate, 'content', 'parts')) {
      if (valueAt(part, 'thought') === true) answer.reasoning += textAt(part, 'text');
      else answer.text += textAt(part, 'text');
      const call = valueAt(part, 'functionCall');
      if (call) answer.toolCalls.push({ name: textAt(call, 'name'), arguments: valueAt(call, 'args') ?? {} });
    }
    const finish = textAt(candidate, 'finishReason');
    if (finish !== '') answer.finish = FINISH[finish] ?? 'stop';
    if (textAt(chunk, 'promptFeedback', 'blockReason') !== '') answer.finish = 'filtered';
    const used = at(chunk, 'usageMetadata');
    const thoughts = countAt(used, 'thoughtsTokenCount');
    const output = (countAt(used, 'candidatesTokenCount') ?? 0) + (thoughts ?? 0);
    const input = (countAt(used, 'promptTokenCount') ?? 0) + (countAt(used, 'toolUsePromptTokenCount') ?? 0);
    const usage = usageOf({
      input,
      output,
      cached: countAt(used, 'cachedContentTokenCount'),
      reasoning: thoughts,
    });
    answer.usage = { ...answer.usage, ...usage };
  }
  if (answer.toolCalls.length > 0 && answer.finish === 'stop') answer.finish = 'tool-calls';
  return answer;
}
