import { ENCODED_MEMBERS, mapEncoded } from './encoded-files.ts';
import type { TextRole } from './guardrail.ts';
import { hasAddress, mapFileName } from './response-texts.ts';

/** What a text of a request is: something of a user, a call that the model made, or the result of one. */
export type RequestTextKind = 'input' | 'tool_call' | 'tool_result';

/** One text of a request. */
export interface RequestText {
  readonly text: string;
  readonly kind: RequestTextKind;
  readonly role: TextRole;
  /** The key before a value in the data of a tool; '' elsewhere. */
  readonly key: string;
  /** It is no text for the model: a setting, a stop sequence, an address of a file, a value of a schema. */
  readonly isSetting: boolean;
}

/** Changes one text. */
export type MapText = (text: RequestText) => string;

/** Members of a body whose texts reach the model. */
const TEXT_MEMBERS = [
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
  ...['schema', 'tools', 'functions', 'user', 'safety_identifier', 'metadata'],
] as const;
const TEXTS: ReadonlySet<string> = new Set(TEXT_MEMBERS);
/** Members that no person wrote: they select models, stored objects and forms of the response. */
const FIXED_MEMBERS = new Set([
  ...['model', 'models', 'stream', 'previous_response_id', 'conversation', 'container', 'tool_choice'],
  ...[
    'function_call',
    'service_tier',
    'reasoning_effort',
    'truncation',
    'include',
    'modalities',
    'verbosity',
  ],
  ...['encoding_format', 'audio', 'thinking', 'betas', 'task', 'input_type', 'cache'],
]);

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
  // What a server of tools is reached with.
  ...['authorization', 'authorization_token', 'headers', 'api_key', 'access_token', 'server_url'],
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
const DOCUMENT_TYPES = new Set(['document', 'search_result', 'file', 'input_file']);
/** Members of a call or its result that hold the tool's own data: no member in them is structure. */
const TOOL_DATA = new Set(['input', 'output', 'arguments', 'content']);
/** Bodies may be deeper for targets of the same format; nothing that a person wrote is. */
const MAX_DEPTH = 128;

/** Members with texts of the operator. */
const SYSTEM_MEMBERS = new Set(['system', 'instructions', 'schema', 'tools', 'functions']);
/** Members that hold documents. */
const DOCUMENT_MEMBERS = new Set(['documents', 'texts']);
/** Members of which only descriptions are texts: the rest is a schema. */
const SCHEMA_MEMBERS = new Set(['tools', 'functions']);
/** In a schema, what a person wrote. */
const SCHEMA_TEXTS = new Set(['description', 'title', 'default', 'examples', 'example']);
/** In a schema, values that a response may have. */
const SCHEMA_VALUES = new Set(['enum', 'const']);
/** Members that hold names of people: of participants, and of files. */
const NAME_MEMBERS = new Set(['name', 'filename']);
/** Keys without signs and digits, and short ones, have no finding. */
const PLAIN_KEY = /^(?:[A-Za-z_ .-]*|.{0,4})$/;
const URL_FORM = /^https?:\/\//i;
/** Shorter numbers are counts, not identifiers. */
const LONG_NUMBER = /^\d{7,19}$/;

/** Where a value is. */
interface Position {
  readonly kind: RequestTextKind;
  readonly role: TextRole;
  readonly key: string;
  /** Every member holds data, whatever its name. */
  readonly isData: boolean;
  /** Only descriptions are texts. */
  readonly isSchema: boolean;
  readonly isSetting: boolean;
  readonly depth: number;
}

/**
 * Changes the texts of a request body that reach the model, in any dialect.
 * @returns the members that changed; undefined where none did
 */
export function mapRequestTexts(
  body: Readonly<Record<string, unknown>>,
  map: MapText,
): Readonly<Record<string, unknown>> | undefined {
  let changed: Record<string, unknown> | undefined;
  for (const member of readMembers(body)) {
    const value = body[member];
    if (value === undefined || value === null) continue;
    const mapped = mapValue(value, positionOf(member), map);
    if (mapped === value) continue;
    changed ??= {};
    changed[member] = mapped;
  }
  return changed;
}

/** @returns the members of a body that are read: those of texts, then all others that a person may have written */
export function readMembers(body: Readonly<Record<string, unknown>>): readonly string[] {
  const others = Object.keys(body).filter(
    (member) => typeof body[member] !== 'number' && !TEXTS.has(member) && !FIXED_MEMBERS.has(member),
  );
  return [...TEXT_MEMBERS, ...others];
}

function positionOf(member: string): Position {
  const role = SYSTEM_MEMBERS.has(member) ? 'system' : DOCUMENT_MEMBERS.has(member) ? 'tool' : 'user';
  const isData = member === 'metadata';
  const isSetting = !TEXTS.has(member);
  return { kind: 'input', role, key: '', isData, isSchema: SCHEMA_MEMBERS.has(member), isSetting, depth: 0 };
}

/** @returns the texts of a request body that reach the model, in the order in which `mapRequestTexts` changes them */
export function requestTexts(body: Readonly<Record<string, unknown>>): readonly RequestText[] {
  const texts: RequestText[] = [];
  mapRequestTexts(body, (one) => {
    texts.push(one);
    return one.text;
  });
  return texts;
}

/** @returns the same value where nothing changed */
function mapValue(value: unknown, position: Position, map: MapText): unknown {
  if (typeof value === 'string') {
    const isValue = position.isSchema && SCHEMA_VALUES.has(position.key);
    if (value === '' || (position.isSchema && !isValue && !SCHEMA_TEXTS.has(position.key))) return value;
    return map({
      text: value,
      kind: position.kind,
      role: position.role,
      key: position.isData ? position.key : '',
      isSetting: position.isSetting || isValue,
    });
  }
  if (typeof value === 'number') return position.isData ? mapNumber(value, position, map) : value;
  if (typeof value !== 'object' || value === null || position.depth > MAX_DEPTH) return value;
  const inner = { ...position, depth: position.depth + 1 };
  if (!Array.isArray(value)) return mapObject(value, inner, map);
  let list: unknown[] | undefined;
  for (const [index, item] of value.entries()) {
    const mapped = mapValue(item, inner, map);
    if (mapped === item) continue;
    list ??= [...value];
    list[index] = mapped;
  }
  return list ?? value;
}

/** A card number may be a number: with a finding, it becomes a string. */
function mapNumber(value: number, { kind, role, key, isSetting }: Position, map: MapText): number | string {
  const text = String(value);
  if (!LONG_NUMBER.test(text)) return value;
  const mapped = map({ text, kind, role, key, isSetting });
  return mapped === text ? value : mapped;
}

function mapObject(value: object, position: Position, map: MapText): object {
  const own = position.isData ? position : { ...position, ...kindOf(value, position) };
  let isChanged = false;
  const copy = new Map<string, unknown>();
  for (const [name, item] of Object.entries(value)) {
    const key = own.isData ? mapKey(name, own, map) : name;
    const mapped = mapMember(value, name, item, own, map);
    if (mapped !== item || key !== name) isChanged = true;
    // Keys that become equal are numbered, so that no value is lost.
    copy.set(key !== name && copy.has(key) ? `${key} ${copy.size}` : key, mapped);
  }
  return isChanged ? Object.fromEntries(copy) : value;
}

/** A key of data may be an address. */
function mapKey(name: string, { kind, role, isSetting }: Position, map: MapText): string {
  return PLAIN_KEY.test(name) ? name : map({ text: name, kind, role, key: '', isSetting });
}

function mapMember(owner: object, name: string, item: unknown, position: Position, map: MapText): unknown {
  const { isData, isSchema } = position;
  if (!isData && !isSchema) {
    if (typeof item === 'string' && ENCODED_MEMBERS.has(name)) {
      const { kind, role } = position;
      // An address of a file with that of a person in it.
      if (URL_FORM.test(item)) {
        if (!hasAddress(item)) return item;
        return mapFileName(item, (text) => map({ text, kind, role, key: '', isSetting: true }));
      }
      return mapEncoded(owner, item, (text) => map({ text, kind, role, key: '', isSetting: false }));
    }
    if (typeof item === 'string' && NAME_MEMBERS.has(name)) return mapName(owner, name, item, position, map);
    // The form of a response has descriptions, and the object of a file its address.
    const isWalked = typeof item === 'object' && (name === 'format' || ENCODED_MEMBERS.has(name));
    if (STRUCTURE.has(name) && !isWalked) return item;
  }
  const isCall = name === 'tool_calls' || name === 'function_call';
  const inner: Pick<Position, 'kind' | 'role'> = isCall
    ? { kind: 'tool_call', role: 'assistant' }
    : { kind: position.kind, role: position.role };
  const holdsData =
    isData || name === 'variables' || (inner.kind !== 'input' && TOOL_DATA.has(name) && !Array.isArray(item));
  const key = isData || isSchema ? name : '';
  return mapValue(item, { ...position, ...inner, key, isData: holdsData }, map);
}

/** The name of a participant, and of a file. Names of functions and servers are structure. */
function mapName(owner: object, name: string, item: string, position: Position, map: MapText): string {
  const isParticipant = 'role' in owner;
  if (item === '' || (name === 'name' && !isParticipant)) return item;
  const { kind, role, isSetting } = position;
  const change = (text: string) => map({ text, kind, role, key: '', isSetting });
  const mapped = name === 'filename' ? mapFileName(item, change) : change(item);
  // Participants' names consist of letters, digits, "_" and "-".
  return mapped === item || !isParticipant ? mapped : mapped.replace(/[^A-Za-z0-9_-]/g, '');
}

function kindOf(value: object, outer: Position): Pick<Position, 'kind' | 'role'> {
  const type = 'type' in value && typeof value.type === 'string' ? value.type : '';
  if (TOOL_CALL_TYPES.has(type)) return { kind: 'tool_call', role: 'assistant' };
  if (TOOL_RESULT_TYPES.has(type)) return { kind: 'tool_result', role: 'tool' };
  if (DOCUMENT_TYPES.has(type)) return { kind: outer.kind, role: 'tool' };
  const role = 'role' in value ? value.role : undefined;
  if (role === 'tool' || role === 'function') return { kind: 'tool_result', role: 'tool' };
  if (role === 'system' || role === 'developer') return { kind: outer.kind, role: 'system' };
  if (role === 'assistant' || role === 'model') return { kind: outer.kind, role: 'assistant' };
  if (role === 'user') return { kind: outer.kind, role: 'user' };
  return outer;
}
