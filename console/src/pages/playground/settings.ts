import type { ChatMessage } from '../../lib/chat.ts';

/** What the playground sends, as text where the user types it. */
export interface Settings {
  readonly system: string;
  readonly temperature: string;
  readonly maxTokens: string;
  readonly topP: string;
  readonly seed: string;
  readonly stop: string;
  /** JSON: the list `tools`. */
  readonly tools: string;
  /** JSON: the schema that the response must have. */
  readonly schema: string;
  /** JSON: further members of the request. */
  readonly extra: string;
}

export const NO_SETTINGS: Settings = {
  ...{ system: '', temperature: '', maxTokens: '', topP: '', seed: '', stop: '', tools: '', schema: '' },
  extra: '',
};

/** A member of the settings that is not valid. */
export class SettingsError extends Error {
  constructor(
    readonly field: keyof Settings,
    message: string,
  ) {
    super(message);
  }
}

/**
 * The body of a request, without its model.
 * @throws SettingsError
 */
export function bodyOf(
  settings: Settings,
  messages: readonly ChatMessage[],
): Readonly<Record<string, unknown>> {
  const system: readonly ChatMessage[] =
    settings.system === '' ? [] : [{ role: 'system', content: settings.system }];
  const schema = json('schema', settings.schema);
  const tools = json('tools', settings.tools);
  if (tools !== undefined && !Array.isArray(tools)) {
    throw new SettingsError('tools', 'must be a list: [{"type": "function", "function": {...}}]');
  }
  const extra = json('extra', settings.extra);
  if (extra !== undefined && (typeof extra !== 'object' || extra === null || Array.isArray(extra))) {
    throw new SettingsError('extra', 'must be an object: {"reasoning_effort": "low"}');
  }
  const members = {
    ...extra,
    temperature: numberOf('temperature', settings.temperature),
    max_completion_tokens: numberOf('maxTokens', settings.maxTokens),
    top_p: numberOf('topP', settings.topP),
    seed: numberOf('seed', settings.seed),
    stop: settings.stop === '' ? undefined : settings.stop.split('\n').filter(Boolean),
    tools,
    response_format:
      schema === undefined
        ? undefined
        : { type: 'json_schema', json_schema: { name: 'response', strict: true, schema } },
  };
  const given = Object.entries(members).filter(([, value]) => value !== undefined);
  return { messages: [...system, ...messages], ...Object.fromEntries(given) };
}

function numberOf(field: keyof Settings, text: string): number | undefined {
  if (text.trim() === '') return undefined;
  const value = Number(text);
  if (Number.isNaN(value)) throw new SettingsError(field, 'must be a number');
  return value;
}

function json(field: keyof Settings, text: string): unknown {
  if (text.trim() === '') return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new SettingsError(field, error instanceof Error ? error.message : 'must be JSON');
  }
}

/** @returns the request as a command */
export function curlOf(origin: string, model: string, body: Readonly<Record<string, unknown>>): string {
  const text = JSON.stringify({ model, ...body }, undefined, 2).replaceAll("'", `'\\''`);
  return `curl ${origin}/v1/chat/completions \\
  -H "Authorization: Bearer $WEIR_API_KEY" -H "Content-Type: application/json" \\
  -d '${text}'`;
}

/** @returns the request for OpenAI's SDK in Python */
export function pythonOf(origin: string, model: string, body: Readonly<Record<string, unknown>>): string {
  const text = JSON.stringify(JSON.stringify({ model, ...body }));
  return `import json, os
from openai import OpenAI

client = OpenAI(base_url="${origin}/v1", api_key=os.environ["WEIR_API_KEY"])
reply = client.chat.completions.create(**json.loads(${text}))
print(reply.choices[0].message.content)`;
}

/** @returns the request for OpenAI's SDK in TypeScript */
export function typescriptOf(origin: string, model: string, body: Readonly<Record<string, unknown>>): string {
  const text = JSON.stringify({ model, ...body }, undefined, 2);
  return `import OpenAI from 'openai';

const client = new OpenAI({ baseURL: '${origin}/v1', apiKey: process.env.WEIR_API_KEY });
const reply = await client.chat.completions.create(${text});
console.log(reply.choices[0].message.content);`;
}
