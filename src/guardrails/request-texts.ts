/** What a text of a request is: something of a user, a call that the model made, or the result of one. */
export type RequestTextKind = 'input' | 'tool_call' | 'tool_result';

/** Changes one text. */
export type MapText = (text: string, kind: RequestTextKind) => string;

/** One text of a request. */
export interface RequestText {
  readonly text: string;
  readonly kind: RequestTextKind;
}

/** Members of a body whose texts reach the model. */
export const TEXT_MEMBERS = [
  ...[
    'messages',
    'input',
    'system',
    'instructions',
    'prompt',
    'suffix',
    'query',
    'documents',
    'texts',
    'prediction',
  ],
] as const;

/** Members that are structure, and no text of a person: changed, they would make the request invalid. */
const STRUCTURE = new Set([
  ...[
    'role',
    'type',
    'id',
    'call_id',
    'tool_call_id',
    'tool_use_id',
    'item_id',
    'file_id',
    'previous_response_id',
  ],
  ...[
    'name',
    'namespace',
    'status',
    'phase',
    'model',
    'format',
    'detail',
    'media_type',
    'mime_type',
    'encoding',
  ],
  ...[
    'url',
    'image_url',
    'file_url',
    'data',
    'file_data',
    'signature',
    'encrypted_content',
    'thought_signature',
  ],
  ...['cache_control', 'image', 'audio', 'input_audio'],
]);
const TOOL_CALL_TYPES = new Set([
  'tool_use',
  'server_tool_use',
  'function_call',
  'custom_tool_call',
  'mcp_call',
]);
const TOOL_RESULT_TYPES = new Set([
  ...['tool_result', 'function_call_output', 'custom_tool_call_output', 'web_search_tool_result'],
  ...['local_shell_call_output', 'computer_call_output', 'code_execution_tool_result'],
]);
/** Members of a call or its result that hold the tool's own data: no member in them is structure. */
const TOOL_DATA = new Set(['input', 'output', 'arguments', 'content']);
/** Bodies may be deeper for targets of the same format; nothing that a person wrote is. */
const MAX_DEPTH = 128;

/**
 * Changes the texts of a request body that reach the model, in any dialect.
 * @returns the members that changed; undefined where none did
 */
export function mapRequestTexts(
  body: Readonly<Record<string, unknown>>,
  map: MapText,
): Readonly<Record<string, unknown>> | undefined {
  let changed: Record<string, unknown> | undefined;
  for (const member of TEXT_MEMBERS) {
    const value = body[member];
    if (value === undefined || value === null) continue;
    const mapped = mapValue(value, 'input', map, false, 0);
    if (mapped === value) continue;
    changed ??= {};
    changed[member] = mapped;
  }
  return changed;
}

/** @returns the texts of a request body that reach the model, in the order in which `mapRequestTexts` changes them */
export function requestTexts(body: Readonly<Record<string, unknown>>): readonly RequestText[] {
  const texts: RequestText[] = [];
  mapRequestTexts(body, (text, kind) => {
    texts.push({ text, kind });
    return text;
  });
  return texts;
}

/** @param isData every member holds data, whatever its name. @returns the same value where nothing changed */
function mapValue(
  value: unknown,
  kind: RequestTextKind,
  map: MapText,
  isData: boolean,
  depth: number,
): unknown {
  if (typeof value === 'string') return value === '' ? value : map(value, kind);
  if (typeof value !== 'object' || value === null || depth > MAX_DEPTH) return value;
  if (Array.isArray(value)) {
    let list: unknown[] | undefined;
    for (const [index, item] of value.entries()) {
      const mapped = mapValue(item, kind, map, isData, depth + 1);
      if (mapped === item) continue;
      list ??= [...value];
      list[index] = mapped;
    }
    return list ?? value;
  }
  return mapObject(value, kind, map, isData, depth);
}

function mapObject(
  value: object,
  kind: RequestTextKind,
  map: MapText,
  isData: boolean,
  depth: number,
): object {
  const own = isData ? kind : kindOf(value, kind);
  let copy: Record<string, unknown> | undefined;
  for (const [name, item] of Object.entries(value)) {
    if (!isData && STRUCTURE.has(name) && !isTextDocument(value, name)) continue;
    const inner = name === 'tool_calls' || name === 'function_call' ? 'tool_call' : own;
    const holdsData = isData || (inner !== 'input' && TOOL_DATA.has(name) && !Array.isArray(item));
    const mapped = mapValue(item, inner, map, holdsData, depth + 1);
    if (mapped === item) continue;
    copy ??= { ...value };
    copy[name] = mapped;
  }
  return copy ?? value;
}

/** The source of a document that is plain text: `{ type: 'text', media_type, data }`. */
function isTextDocument(value: object, name: string): boolean {
  return name === 'data' && 'type' in value && value.type === 'text';
}

function kindOf(value: object, outer: RequestTextKind): RequestTextKind {
  const type = 'type' in value && typeof value.type === 'string' ? value.type : '';
  if (TOOL_CALL_TYPES.has(type)) return 'tool_call';
  if (TOOL_RESULT_TYPES.has(type)) return 'tool_result';
  return 'role' in value && (value.role === 'tool' || value.role === 'function') ? 'tool_result' : outer;
}
