import { isRecord, type JsonObject, listOf, parseJsonText, records } from '../../core/json.ts';
import { type InputTensors, invalid, readInputs } from './tensors.ts';

/** What a `ModelInferRequest` asks for. */
export interface InferRequest {
  readonly id: string;
  readonly model: string;
  readonly task: 'chat' | 'completion' | 'embedding';
  readonly target: string;
  readonly body: JsonObject;
  /** Its data is beside the tensors. */
  readonly isRaw: boolean;
  /** The response has a message for each part of the text. */
  readonly streams: boolean;
  /** The prompt is repeated before the text, as Triton's vLLM backend does by default; off here. */
  readonly echo: string | undefined;
  /** The client wants a last response without outputs. */
  readonly wantsEmptyFinal: boolean;
}

/** Names of the input with the prompt, in the order of preference: Triton's vLLM and TensorRT-LLM backends, KServe. */
const TEXT_INPUTS = ['text_input', 'prompt', 'text', 'input', 'input-0', 'QUERY', 'TEXT'];
/** Names of parameters that Triton's backends have for members of OpenAI's API. */
const RENAMED: Readonly<Record<string, string>> = {
  stop_words: 'stop',
  random_seed: 'seed',
  request_output_len: 'max_tokens',
};
/** Inputs and parameters that are no members of the body. */
const CONTROLS = new Set([
  ...[
    'stream',
    'exclude_input_in_output',
    'sampling_parameters',
    'messages',
    'task',
    'echo',
    'priority',
    'timeout',
  ],
  ...['triton_enable_empty_final_response', 'sequence_id', 'sequence_start', 'sequence_end', 'lora_name'],
  ...[
    'return_finish_reason',
    'return_num_input_tokens',
    'return_num_output_tokens',
    'return_cumulative_logprob',
  ],
  ...['model', 'encoding_format', 'stream_options'],
]);

/**
 * Reads a request. The text is the input `text_input` (or another of `TEXT_INPUTS`), a conversation the input `messages` with
 * JSON; parameters come from the JSON of the input `sampling_parameters`, from inputs with one value, and from `parameters`.
 * @throws GatewayError `invalid_request`
 */
export function readInferRequest(request: JsonObject): InferRequest {
  const inputs = readInputs(request);
  const parameters = parametersOf(request, inputs);
  const { model_name: model } = request;
  if (typeof model !== 'string' || model === '') throw invalid('model_name', 'is missing');
  const texts = textsOf(inputs);
  const messages = messagesOf(inputs);
  const task = taskOf(request, inputs);
  const members = Object.fromEntries(
    Object.entries(parameters).flatMap(([name, value]) =>
      CONTROLS.has(name) ? [] : [[RENAMED[name] ?? name, value]],
    ),
  );
  const prompt = texts[0] ?? '';
  if (task !== 'embedding' && messages === undefined && texts.length !== 1) {
    throw invalid('inputs', `must have the text "text_input" with one value, not ${texts.length}`);
  }
  const wantsInput = controlOf(request, inputs, 'exclude_input_in_output') === false;
  return {
    ...{ model, task, isRaw: listOf(request.raw_input_contents).length > 0 },
    id: typeof request.id === 'string' ? request.id : '',
    streams: controlOf(request, inputs, 'stream') === true,
    echo: wantsInput && messages === undefined ? prompt : undefined,
    wantsEmptyFinal: controlOf(request, inputs, 'triton_enable_empty_final_response') === true,
    ...bodyFor(task, { model, texts, prompt, messages, members }),
  };
}

interface Content {
  readonly model: string;
  readonly texts: readonly string[];
  readonly prompt: string;
  readonly messages: readonly unknown[] | undefined;
  readonly members: JsonObject;
}

function bodyFor(task: InferRequest['task'], content: Content): Pick<InferRequest, 'target' | 'body'> {
  const { model, texts, prompt, messages, members } = content;
  switch (task) {
    case 'embedding':
      if (texts.length === 0) throw invalid('inputs', 'must have the text "text_input"');
      return {
        target: '/v1/embeddings',
        body: { ...members, model, input: texts, encoding_format: 'float' },
      };
    case 'completion':
      return { target: '/v1/completions', body: { ...members, model, prompt } };
    case 'chat': {
      const conversation = messages ?? [{ role: 'user', content: prompt }];
      return { target: '/v1/chat/completions', body: { ...members, model, messages: conversation } };
    }
  }
}

/** An output or a parameter tells the task; chat otherwise. */
function taskOf(request: JsonObject, inputs: InputTensors): InferRequest['task'] {
  const task = controlOf(request, inputs, 'task');
  if (task === 'chat' || task === 'completion' || task === 'embedding') return task;
  if (task !== undefined) throw invalid('parameters.task', 'must be chat, completion or embedding');
  const wantsVectors = records(request.outputs).some(({ name }) => /embedding/i.test(String(name)));
  return wantsVectors ? 'embedding' : 'chat';
}

function controlOf(request: JsonObject, inputs: InputTensors, name: string): unknown {
  const given = isRecord(request.parameters) ? request.parameters[name] : undefined;
  return inputs.get(name)?.[0] ?? given;
}

function textsOf(inputs: InputTensors): readonly string[] {
  const name = TEXT_INPUTS.find((one) => inputs.has(one));
  const values = name === undefined ? [] : (inputs.get(name) ?? []);
  return values.map((value) => {
    if (typeof value !== 'string') throw invalid(`inputs.${name}`, 'must have the datatype BYTES');
    return value;
  });
}

function messagesOf(inputs: InputTensors): readonly unknown[] | undefined {
  const text = inputs.get('messages')?.[0];
  if (text === undefined) return undefined;
  const messages = typeof text === 'string' ? parseJsonText(text) : undefined;
  if (!Array.isArray(messages)) throw invalid('inputs.messages', 'must be a JSON list of messages');
  return messages;
}

function parametersOf(request: JsonObject, inputs: InputTensors): JsonObject {
  const sampling = inputs.get('sampling_parameters')?.[0];
  const ofJson = typeof sampling === 'string' ? parseJsonText(sampling) : {};
  if (!isRecord(ofJson)) throw invalid('inputs.sampling_parameters', 'must be a JSON object');
  const single = [...inputs].flatMap(([name, values]) =>
    TEXT_INPUTS.includes(name) || values.length !== 1 ? [] : [[name, values[0]]],
  );
  const given = isRecord(request.parameters) ? request.parameters : {};
  const all: JsonObject = { ...given, ...Object.fromEntries(single), ...ofJson };
  return Object.fromEntries(Object.entries(all).map(([name, value]) => [name, numeric(value)]));
}

/** Clients of Triton send numbers in `sampling_parameters` as texts. */
function numeric(value: unknown): unknown {
  if (typeof value !== 'string' || !/^-?\d+(?:\.\d+)?$/.test(value)) return value;
  const number = Number(value);
  return String(number) === value ? number : value;
}
