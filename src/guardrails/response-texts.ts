import type { Citation } from '../core/chat/request.ts';
import { asString, isRecord, listOf } from '../core/json.ts';
import { isFileExtension } from '../redaction/detectors/email.ts';
import type { GuardrailDirection } from './guardrail.ts';

/** A text of a response in addition to those that the canonical form has: of citations, of tools that the provider ran, and others. */
export interface ResponseText {
  readonly text: string;
  readonly direction: Exclude<GuardrailDirection, 'input'>;
}

/** Changes one text. */
export type MapResponseText = (text: ResponseText) => string;

/** Members that are structure: changed, they would make the response invalid. */
const STRUCTURE = new Set([
  ...['id', 'type', 'object', 'role', 'model', 'status', 'call_id', 'item_id', 'tool_use_id', 'tool_call_id'],
  ...['file_id', 'container_id', 'response_id', 'previous_response_id', 'signature', 'thought_signature'],
  ...[
    'encrypted_content',
    'encrypted_index',
    'format',
    'media_type',
    'finish_reason',
    'native_finish_reason',
  ],
  ...[
    'stop_reason',
    'system_fingerprint',
    'service_tier',
    'obfuscation',
    'phase',
    'tool_choice',
    'truncation',
  ],
  ...['usage', 'b64_json', 'created', 'created_at'],
]);
/** Calls of tools whose input is a part of the canonical form. */
const CANONICAL_CALLS = new Set(['tool_use']);
/** Members of a call or its result that hold the tool's own data: no member in them is structure. */
const TOOL_DATA = new Set(['input', 'output', 'arguments', 'action']);
/** Shorter texts have no finding. */
const SHORTEST = 5;
const MAX_DEPTH = 64;
/** Units of a text in base64 above which it is a file. */
const FILE_LENGTH = 1_024;
const URL_FORM = /^[a-z][a-z0-9+.-]{1,20}:\/\//i;
const BASE64 = /^[A-Za-z0-9+/]{256}/;

interface Position {
  readonly direction: ResponseText['direction'];
  readonly isData: boolean;
  readonly depth: number;
}

/**
 * Changes the texts of a response, or of an event of one, in any dialect.
 * @param covered texts that are checked as parts of the canonical form
 * @returns the same value where nothing changed
 */
export function mapResponseTexts(
  value: unknown,
  covered: ReadonlySet<string>,
  map: MapResponseText,
): unknown {
  return new ResponseWalk(covered, map).value(value, { direction: 'output', isData: false, depth: 0 });
}

/** Changes the texts of a citation. @returns the same citation where nothing changed */
export function mapCitation(citation: Citation, map: MapResponseText): Citation {
  const mapped = mapResponseTexts(citation, NOTHING_COVERED, map);
  return mapped === citation ? citation : { ...citation, ...Object(mapped) };
}

/** What names of functions consist of: the request offers them, and no address is one. */
const FUNCTION_NAME = /^[\w.:-]*$/;

/** Whether the name of a function needs no check. */
export function isFunctionName(name: string): boolean {
  return FUNCTION_NAME.test(name);
}

/** @returns a checked text as the name of a function */
export function functionName(text: string): string {
  return text.replace(/[^A-Za-z0-9_-]/g, '');
}

const NOTHING_COVERED: ReadonlySet<string> = new Set<string>();

class ResponseWalk {
  constructor(
    private readonly covered: ReadonlySet<string>,
    private readonly map: MapResponseText,
  ) {}

  value(value: unknown, position: Position): unknown {
    if (typeof value === 'string') return this.#text(value, position);
    if (typeof value !== 'object' || value === null || position.depth > MAX_DEPTH) return value;
    const inner = { ...position, depth: position.depth + 1 };
    if (!Array.isArray(value)) return this.#object(value, inner);
    let list: unknown[] | undefined;
    for (const [index, item] of value.entries()) {
      const mapped = this.value(item, inner);
      if (mapped === item) continue;
      list ??= [...value];
      list[index] = mapped;
    }
    return list ?? value;
  }

  #object(value: object, position: Position): object {
    const type = 'type' in value && typeof value.type === 'string' ? value.type : '';
    const own = position.isData
      ? position
      : { ...position, direction: directionOf(type, position.direction) };
    const entries = Object.entries(value);
    let isChanged = false;
    const mapped = entries.map(([name, item]): readonly [string, unknown] => {
      if (name === 'logprobs' && !own.isData) {
        const isKept = this.#keepsTokens(item, own);
        if (!isKept) isChanged = true;
        return [name, isKept ? item : Array.isArray(item) ? [] : null];
      }
      if (!own.isData && (STRUCTURE.has(name) || (name === 'input' && CANONICAL_CALLS.has(type)))) {
        return [name, item];
      }
      if (name === 'filename' && typeof item === 'string') {
        const changed = mapFileName(item, (text) => this.#text(text, own));
        if (changed !== item) isChanged = true;
        return [name, changed];
      }
      const isData = own.isData || (own.direction !== 'output' && TOOL_DATA.has(name));
      const key = own.isData ? this.#text(name, own) : name;
      const changed = this.value(item, { ...own, isData });
      if (key !== name || changed !== item) isChanged = true;
      return [key, changed];
    });
    return isChanged ? Object.fromEntries(mapped) : value;
  }

  /** Tokens of a text that is checked need no check; those of another one must have no finding. */
  #keepsTokens(logprobs: unknown, { direction }: Position): boolean {
    const entries = Array.isArray(logprobs)
      ? logprobs
      : isRecord(logprobs)
        ? [...listOf(logprobs.content), ...listOf(logprobs.refusal)]
        : [];
    const text = entries.map((entry) => (isRecord(entry) ? (asString(entry.token) ?? '') : '')).join('');
    return text === '' || this.covered.has(text) || this.map({ text, direction }) === text;
  }

  #text(text: string, { direction }: Position): string {
    if (text.length < SHORTEST || this.covered.has(text) || isFile(text)) return text;
    if (!URL_FORM.test(text)) return this.map({ text, direction });
    return hasAddress(text) ? mapFileName(text, (one) => this.map({ text: one, direction })) : text;
  }
}

/** Whether a URL has an address of a person in it; its numbers and keys are its own. */
export function hasAddress(url: string): boolean {
  return url.includes('@') || /%40/.test(url);
}

/** Changes a name of a file, or a URL. The extension is not a part of the name: without it, an address is recognised. */
export function mapFileName(name: string, map: (text: string) => string): string {
  const extension = /\.([A-Za-z0-9]{1,8})$/.exec(name);
  if (!extension || extension.index === 0 || !isFileExtension(extension[1] ?? '')) return map(name);
  return map(name.slice(0, extension.index)) + extension[0];
}

function isFile(text: string): boolean {
  return text.startsWith('data:') || (text.length > FILE_LENGTH && BASE64.test(text));
}

function directionOf(type: string, outer: ResponseText['direction']): ResponseText['direction'] {
  if (/tool_result$|_output$/.test(type)) return 'tool_result';
  return /(?:tool_use|_call)$/.test(type) ? 'tool_call' : outer;
}
