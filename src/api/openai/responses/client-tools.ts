import type { FunctionTool } from '../../../core/chat/request.ts';
import { asString, isRecord, type JsonObject, parseJsonText, records } from '../../../core/json.ts';

/** A tool of the API that the client runs itself, and that other targets know as a function. */
export interface ClientTool {
  /** The function for targets without the tool. Its name is the type of the tool. */
  readonly definition: FunctionTool;
  /** Type of the item of a call. */
  readonly callType: string;
  readonly idPrefix: 'sh' | 'lsh' | 'apc' | 'tsc';
  /** @returns members of a call's item for its arguments; undefined for arguments that are none */
  fromArguments(called: JsonObject): JsonObject | undefined;
  /** @returns the arguments of a call in the history */
  toArguments(item: JsonObject): unknown;
}

const text = (description: string) => ({ type: 'string', description });
const count = (description: string) => ({ type: 'integer', description });
const texts = (value: unknown) =>
  Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string') : [];
const numberOrNull = (value: unknown) => (typeof value === 'number' ? value : null);

function definition(
  name: string,
  description: string,
  properties: JsonObject,
  required: readonly string[],
): FunctionTool {
  return { type: 'function', name, description, parameters: { type: 'object', properties, required } };
}

const SHELL: ClientTool = {
  definition: definition(
    'shell',
    'Runs shell commands on the machine of the user and returns their output.',
    {
      commands: {
        type: 'array',
        items: { type: 'string' },
        description: 'Command lines, run in this order.',
      },
      timeout_ms: count('Milliseconds after which the commands are stopped.'),
      max_output_length: count('Most characters of output to return.'),
    },
    ['commands'],
  ),
  callType: 'shell_call',
  idPrefix: 'sh',
  fromArguments({ commands, timeout_ms: timeout, max_output_length: length }) {
    const lines = typeof commands === 'string' ? [commands] : texts(commands);
    if (lines.length === 0) return undefined;
    return {
      action: {
        commands: lines,
        timeout_ms: numberOrNull(timeout),
        max_output_length: numberOrNull(length),
      },
    };
  },
  toArguments: ({ action }) => withoutNulls(action),
};

const LOCAL_SHELL: ClientTool = {
  definition: definition(
    'local_shell',
    'Runs one program on the machine of the user and returns its output.',
    {
      command: {
        type: 'array',
        items: { type: 'string' },
        description: 'The program and its arguments, such as ["bash", "-lc", "ls"].',
      },
      working_directory: text('Where the program runs.'),
      env: { type: 'object', description: 'Environment variables, in addition to those that are set.' },
      timeout_ms: count('Milliseconds after which the program is stopped.'),
    },
    ['command'],
  ),
  callType: 'local_shell_call',
  idPrefix: 'lsh',
  fromArguments({ command, working_directory: folder, timeout_ms: timeout, env }) {
    const words = typeof command === 'string' ? ['bash', '-lc', command] : texts(command);
    if (words.length === 0) return undefined;
    return {
      action: {
        type: 'exec',
        command: words,
        env: isRecord(env) ? env : {},
        // Some clients' schemas allow these members to be absent, but not null.
        ...(typeof timeout === 'number' ? { timeout_ms: timeout } : {}),
        ...(typeof folder === 'string' ? { working_directory: folder } : {}),
      },
    };
  },
  toArguments: ({ action }) => {
    const { type: _, env, ...rest } = withoutNulls(action);
    return isRecord(env) && Object.keys(env).length > 0 ? { ...rest, env } : rest;
  },
};

const OPERATIONS: readonly unknown[] = ['create_file', 'update_file', 'delete_file'];

const APPLY_PATCH: ClientTool = {
  definition: definition(
    'apply_patch',
    'Creates, updates or deletes one file.',
    {
      type: { type: 'string', enum: OPERATIONS },
      path: text('The file, relative to the workspace.'),
      diff: text(
        'For create_file, each line of the file after "+". For update_file, hunks in V4A format: "@@" and a line of context, then lines that begin with " ", "-" or "+".',
      ),
    },
    ['type', 'path'],
  ),
  callType: 'apply_patch_call',
  idPrefix: 'apc',
  fromArguments(called) {
    const { type, path, diff } = isRecord(called.operation) ? called.operation : called;
    if (!OPERATIONS.includes(type) || typeof path !== 'string') return undefined;
    return {
      operation: { type, path, ...(type === 'delete_file' ? {} : { diff: asString(diff) ?? '' }) },
    };
  },
  toArguments: ({ operation }) => operation,
};

function toolSearch({ description, parameters }: JsonObject): ClientTool {
  const fallback = { type: 'object', properties: { query: text('Words to search for.') } };
  return {
    definition: {
      type: 'function',
      name: 'tool_search',
      description:
        asString(description) ?? 'Finds further tools. Those that it finds can be called afterwards.',
      parameters: isRecord(parameters) ? parameters : fallback,
    },
    callType: 'tool_search_call',
    idPrefix: 'tsc',
    fromArguments: (called) => ({ execution: 'client', arguments: called }),
    toArguments: (item) => item.arguments,
  };
}

/** The description lists the skills of the client's machine. */
function shellWith(skills: unknown): ClientTool {
  const lines = records(skills).map(
    ({ name, path, description }) => `- ${[name, path, description].filter(Boolean).join(': ')}`,
  );
  if (lines.length === 0) return SHELL;
  const described = [SHELL.definition.description, 'Skills that can be read there:', ...lines].join('\n');
  return { ...SHELL, definition: { ...SHELL.definition, description: described } };
}

/** @returns the tool that a definition stands for; undefined for tools that run at the vendor, and for all others */
export function clientTool(tool: JsonObject): ClientTool | undefined {
  switch (tool.type) {
    case 'shell': {
      const environment = isRecord(tool.environment) ? tool.environment : {};
      return (environment.type ?? 'local') === 'local' ? shellWith(environment.skills) : undefined;
    }
    case 'local_shell':
      return LOCAL_SHELL;
    case 'apply_patch':
      return APPLY_PATCH;
    case 'tool_search':
      return tool.execution === 'client' ? toolSearch(tool) : undefined;
    default:
      return undefined;
  }
}

/** The client's tools of a request, by the names of their functions. A function of the same name counts instead. */
export function clientTools({ tools }: JsonObject): ReadonlyMap<string, ClientTool> {
  const found = new Map<string, ClientTool>();
  for (const tool of records(tools)) {
    const known = clientTool(tool);
    if (known) found.set(known.definition.name, known);
  }
  if (found.size > 0) for (const { name } of records(tools)) if (typeof name === 'string') found.delete(name);
  return found;
}

/** @returns the members of a call's item; undefined where its arguments are not those of the tool */
export function clientCall(tool: ClientTool, argumentsText: string): JsonObject | undefined {
  const called = parseJsonText(argumentsText);
  const members = isRecord(called) ? tool.fromArguments(called) : undefined;
  return members && { type: tool.callType, ...members };
}

const BY_CALL: ReadonlyMap<unknown, ClientTool> = new Map(
  [SHELL, LOCAL_SHELL, APPLY_PATCH, toolSearch({})].map((tool) => [tool.callType, tool]),
);

/** @returns the tool of a call in the history */
export function toolOfCall(item: JsonObject): ClientTool | undefined {
  return BY_CALL.get(item.type);
}

/** Types of the results of these tools. */
export const CLIENT_RESULTS: ReadonlySet<unknown> = new Set(
  [...BY_CALL.keys()].map((type) => (type === 'tool_search_call' ? 'tool_search_output' : `${type}_output`)),
);

/** The result of a call as a text for the model. */
export function resultText({ type, output, tools }: JsonObject): string {
  if (type === 'tool_search_output') {
    const names = records(tools).flatMap(({ name }) => asString(name) ?? []);
    return names.length === 0 ? 'No tools were found.' : `These tools can be called now: ${names.join(', ')}`;
  }
  return typeof output === 'string'
    ? output
    : output === undefined || output === null
      ? ''
      : JSON.stringify(output);
}

/** Tools that items of the input add to those of the request. */
export function addedTools(input: unknown): JsonObject[] {
  const known = new Set<string>();
  return records(input).flatMap(({ type, tools }) => {
    if (type !== 'tool_search_output' && type !== 'additional_tools') return [];
    return records(tools).filter((tool) => {
      const key = JSON.stringify(tool);
      return !known.has(key) && known.add(key);
    });
  });
}

function withoutNulls(value: unknown): JsonObject {
  return isRecord(value) ? Object.fromEntries(Object.entries(value).filter(([, one]) => one !== null)) : {};
}
