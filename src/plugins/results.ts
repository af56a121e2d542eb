import { isRecord } from '../core/json.ts';
import type {
  GuardrailVerdict,
  RequestChange,
  ResponseChange,
  StrategyOrder,
  TextEdit,
  WindowChange,
} from './contract.ts';
import { PluginFailure } from './plugin-failure.ts';

/** Names of headers that plugins may add to responses. */
const HEADER = /^x-(?!weir-|ratelimit-|request-id$)[a-z0-9-]{1,100}$/;
const HEADER_VALUE = /^[\x20-\x7e]{0,1000}$/;
const MAX_HEADERS = 20;
const MAX_REASON = 500;
/** UTF-16 units that a plugin may keep of a stream. */
const MAX_KEPT = 8_192;
const KIND = /^[a-z][a-z0-9_-]{0,39}$/;
const MAX_FINDINGS = 10_000;

function invalid(what: string): never {
  throw new PluginFailure('invalid', `its result is not valid: ${what}`);
}

/** Results with nothing in them mean that nothing changes. */
function recordOf(result: unknown): Readonly<Record<string, unknown>> | undefined {
  if (result === undefined || result === null) return undefined;
  return isRecord(result) ? result : invalid('expected an object or nothing');
}

/** @param count of the texts that the plugin was given. @throws PluginFailure `invalid`; the same for the functions below */
export function readRequestChange(result: unknown, count: number): RequestChange {
  const record = recordOf(result);
  if (!record) return {};
  const { texts, headers, reject } = record;
  return {
    ...(texts === undefined ? {} : { texts: readEdits(texts, count) }),
    ...(headers === undefined ? {} : { headers: readHeaders(headers) }),
    ...(reject === undefined || reject === null ? {} : { reject: readReject(reject) }),
  };
}

/** Reads the change of a complete response. @param count of its texts */
export function readResponseChange(result: unknown, count: number): ResponseChange {
  const { texts, headers } = readRequestChange(result, count);
  return { ...(texts ? { texts } : {}), ...(headers ? { headers } : {}) };
}

/** Reads the result of a window. */
export function readWindowChange(result: unknown, window: string, isLast: boolean): Required<WindowChange> {
  const { text, keep = 0 } = recordOf(result) ?? {};
  if (typeof keep !== 'number' || !Number.isInteger(keep) || keep < 0 || keep > window.length) {
    return invalid(`"keep" must be a whole number from 0 to the length of the window, ${window.length}`);
  }
  if (!isLast && keep > MAX_KEPT) return invalid(`"keep" must be at most ${MAX_KEPT}`);
  if (text !== undefined && typeof text !== 'string') return invalid('"text" must be a text');
  const kept = isLast ? 0 : keep;
  return { text: text ?? window.slice(0, window.length - kept), keep: kept };
}

/** Reads a verdict. @param count of the texts that were checked */
export function readVerdict(result: unknown, count: number): GuardrailVerdict {
  const record = recordOf(result);
  if (!record) return { findings: [] };
  const { findings, texts } = record;
  if (!Array.isArray(findings) || findings.length > MAX_FINDINGS) {
    return invalid(`"findings" must be a list of at most ${MAX_FINDINGS}`);
  }
  return {
    findings: findings.map((finding: unknown) => {
      const { kind, score = 1 } = isRecord(finding) ? finding : {};
      if (typeof kind !== 'string' || !KIND.test(kind)) {
        return invalid('"kind" of a finding must be lower-case letters, digits, "_" and "-", at most 40');
      }
      if (typeof score !== 'number' || !(score >= 0 && score <= 1)) {
        return invalid('"score" of a finding must be a number from 0 to 1');
      }
      return { kind, score };
    }),
    ...(texts === undefined ? {} : { texts: readTexts(texts, count) }),
  };
}

/** Reads the order of targets. @param count of the targets */
export function readOrder(result: unknown, count: number): StrategyOrder | undefined {
  const record = recordOf(result);
  if (!record) return undefined;
  const { order, only = false } = record;
  if (!Array.isArray(order) || order.length > count || typeof only !== 'boolean') {
    return invalid(`"order" must be a list of at most ${count} indexes, and "only" true or false`);
  }
  const indexes = order.map((index: unknown) =>
    typeof index === 'number' && Number.isInteger(index) && index >= 0 && index < count
      ? index
      : invalid(`an index must be a whole number from 0 to ${count - 1}`),
  );
  return { order: [...new Set(indexes)], only };
}

function readEdits(value: unknown, count: number): readonly TextEdit[] {
  if (!Array.isArray(value) || value.length > count)
    return invalid(`"texts" must be a list of at most ${count}`);
  return value.map((edit: unknown) => {
    const { index, text } = isRecord(edit) ? edit : {};
    if (typeof index !== 'number' || !Number.isInteger(index) || index < 0 || index >= count) {
      return invalid(`"index" of a text must be a whole number from 0 to ${count - 1}`);
    }
    return typeof text === 'string' ? { index, text } : invalid('"text" must be a text');
  });
}

function readTexts(value: unknown, count: number): readonly string[] {
  if (Array.isArray(value) && value.length === count && value.every((text) => typeof text === 'string')) {
    return value;
  }
  return invalid(`"texts" must be a list of ${count} texts`);
}

function readHeaders(value: unknown): Readonly<Record<string, string>> {
  const entries = Object.entries(isRecord(value) ? value : invalid('"headers" must be an object'));
  if (entries.length > MAX_HEADERS) return invalid(`more than ${MAX_HEADERS} headers`);
  return Object.fromEntries(
    entries.map(([name, content]) => {
      if (!HEADER.test(name))
        return invalid(`a plugin cannot add the header ${JSON.stringify(name.slice(0, 100))}`);
      return typeof content === 'string' && HEADER_VALUE.test(content)
        ? [name, content]
        : invalid(`the value of the header "${name}" must be at most 1,000 printable ASCII characters`);
    }),
  );
}

function readReject(value: unknown): NonNullable<RequestChange['reject']> {
  const { message, code = 'permission_denied' } = isRecord(value) ? value : {};
  if (typeof message !== 'string' || message === '') return invalid('"reject.message" must be a text');
  if (code !== 'permission_denied' && code !== 'invalid_request') {
    return invalid('"reject.code" must be permission_denied or invalid_request');
  }
  return { message: message.slice(0, MAX_REASON), code };
}
