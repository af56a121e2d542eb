import {
  argumentsOf,
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
  stop: 'stop',
  eos: 'stop',
  end_turn: 'stop',
  length: 'length',
  max_tokens: 'length',
  model_length: 'length',
  tool_calls: 'tool-calls',
  function_call: 'tool-calls',
  content_filter: 'filtered',
  refusal: 'filtered',
};

function usage(value: unknown) {
  return usageOf({
    input: countAt(value, 'prompt_tokens'),
    output: countAt(value, 'completion_tokens'),
    cached:
      countAt(value, 'prompt_tokens_details', 'cached_tokens') ?? countAt(value, 'prompt_cache_hit_tokens'),
    reasoning: countAt(value, 'completion_tokens_details', 'reasoning_tokens'),
  });
}

/** Content is text, or (at Mistral) a list of text and thinking pieces. */
function addContent(answer: ReadAnswer, content: unknown): void {
  if (typeof content === 'string') answer.text += content;
  for (const piece of Array.isArray(content) ? content : []) {
    if (textAt(piece, 'type') === 'thinking') {
      for (const thought of listAt(piece, 'thinking')) answer.reasoning += textAt(thought, 'text');
    } else answer.text += textAt(piece, 'text');
  }
}

function addReasoning(answer: ReadAnswer, message: unknown): void {
  answer.reasoning += textAt(message, 'reasoning_content') || textAt(message, 'reasoning');
}

/** A refusal is one whatever the finish reason: `stop`, as OpenAI has it, or one of its own, as Anthropic has. */
function addRefusal(answer: ReadAnswer, message: unknown): void {
  const refusal = textAt(message, 'refusal');
  answer.text += refusal;
  if (refusal !== '') answer.refused = true;
}

function settleFinish(answer: ReadAnswer): ReadAnswer {
  if (answer.refused && answer.finish === 'stop') answer.finish = 'filtered';
  if (answer.toolCalls.length > 0 && answer.finish === 'stop') answer.finish = 'tool-calls';
  return answer;
}

/** A chat completion in OpenAI's form, as vendors really write it. */
export function readChatCompletion(body: unknown): ReadAnswer {
  const answer = emptyAnswer();
  const choice = at(body, 'choices', 0);
  const message = at(choice, 'message');
  addContent(answer, valueAt(message, 'content'));
  addReasoning(answer, message);
  addRefusal(answer, message);
  for (const call of listAt(message, 'tool_calls')) {
    answer.toolCalls.push({
      name: textAt(call, 'function', 'name'),
      arguments: argumentsOf(valueAt(call, 'function', 'arguments')),
    });
  }
  answer.finish = FINISH[textAt(choice, 'finish_reason')] ?? 'stop';
  answer.usage = usage(at(body, 'usage'));
  return settleFinish(answer);
}

/** The same from a stream's events. */
export function readChatChunks(events: readonly unknown[]): ReadAnswer {
  const answer = emptyAnswer();
  const calls: { key: string; name: string; text: string; value: unknown }[] = [];
  for (const event of events) {
    const used = usage(at(event, 'usage'));
    if (Object.keys(used).length > 0) answer.usage = used;
    const choice = listAt(event, 'choices').find((one) => (valueAt(one, 'index') ?? 0) === 0);
    const delta = at(choice, 'delta');
    addContent(answer, valueAt(delta, 'content'));
    addReasoning(answer, delta);
    addRefusal(answer, delta);
    for (const piece of listAt(delta, 'tool_calls')) {
      const id = textAt(piece, 'id');
      const index = valueAt(piece, 'index');
      const name = textAt(piece, 'function', 'name');
      const last = calls.at(-1);
      const key = String(index ?? '');
      let call = calls.findLast((one) => one.key === key);
      // A new name is a new call, also where every call has the index 0.
      if (!call || (name !== '' && id !== '' && call.name !== '')) {
        call = { key, name: '', text: '', value: undefined };
        calls.push(call);
      } else if (key === '' && last) call = last;
      call.name += name;
      const given = valueAt(piece, 'function', 'arguments');
      if (typeof given === 'string') call.text += given;
      else if (given !== null && given !== undefined) call.value = given;
    }
    const finish = textAt(choice, 'finish_reason');
    if (finish !== '') answer.finish = FINISH[finish] ?? 'stop';
  }
  answer.toolCalls = calls.map(({ name, text, value }) => ({ name, arguments: value ?? argumentsOf(text) }));
  return settleFinish(answer);
}
