import type { Signature } from '../../core/chat/request.ts';
import { asString, isRecord, type JsonObject, listOf } from '../../core/json.ts';
import { MAX_JSON_DEPTH } from '../../core/json-limits.ts';
import { invalidResponse } from '../decode.ts';
import type { Provider } from '../types.ts';
import { signatureOf } from './parts.ts';

/** An object or a list that is being filled. Objects have no prototype, so that every name is an own member. */
type Container = Record<string, unknown> | unknown[];

/** One step of a path: the name of a member, or the index of an element. */
type Step = string | number;

/**
 * A function call whose arguments arrive in pieces, each with the path of its value. Source:
 * https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling#streaming-fc
 */
export class PartialCall {
  readonly #args: Record<string, unknown> = Object.create(null);
  #id: string | undefined;
  #name = '';
  #signature: Signature | undefined;

  constructor(private readonly provider: Pick<Provider, 'id'>) {}

  /** Whether a call has arguments that come in pieces, or continues in the next chunk. */
  static isPartial(call: JsonObject): boolean {
    return call.willContinue === true || Array.isArray(call.partialArgs);
  }

  /** @throws GatewayError `upstream_invalid_response` for a path that does not fit the arguments before it */
  add(part: JsonObject, call: JsonObject): void {
    this.#id ??= asString(call.id);
    this.#name ||= asString(call.name) ?? '';
    this.#signature ??= signatureOf(part);
    if (isRecord(call.args)) Object.assign(this.#args, call.args);
    for (const piece of listOf(call.partialArgs)) if (isRecord(piece)) this.#piece(piece);
  }

  /** @returns the whole call as a part of a response */
  toPart(): JsonObject {
    const functionCall = {
      ...(this.#id === undefined ? {} : { id: this.#id }),
      name: this.#name,
      args: this.#args,
    };
    return {
      functionCall,
      ...(this.#signature === undefined ? {} : { thoughtSignature: this.#signature.value }),
    };
  }

  #piece(piece: JsonObject): void {
    const steps = stepsOf(asString(piece.jsonPath) ?? '');
    const last = steps?.pop();
    if (steps === undefined || last === undefined) this.#reject(piece);
    let container: Container = this.#args;
    for (const [index, step] of steps.entries()) {
      const next: unknown = valueAt(container, step) ?? emptyFor(steps[index + 1] ?? last);
      if (!isContainer(next) || !put(container, step, next)) this.#reject(piece);
      container = next;
    }
    const before = valueAt(container, last);
    const value = typedValue(piece);
    // A text comes in pieces of its own.
    const joined = typeof before === 'string' && typeof value === 'string' ? before + value : value;
    if (!put(container, last, joined)) this.#reject(piece);
  }

  #reject({ jsonPath }: JsonObject): never {
    const path = asString(jsonPath)?.slice(0, 100) ?? 'no path';
    throw invalidResponse(this.provider, `sent a piece of a function call's arguments at "${path}".`);
  }
}

/** @returns the steps of a path from the arguments; undefined for a path that names no single value */
function stepsOf(path: string): Step[] | undefined {
  if (!path.startsWith('$')) return undefined;
  const steps: Step[] = [];
  const step = /\.([^.[\]]+)|\[(\d+)\]|\['((?:[^'\\]|\\.)*)'\]|\["((?:[^"\\]|\\.)*)"\]/y;
  step.lastIndex = 1;
  while (step.lastIndex < path.length) {
    const match = step.exec(path);
    if (!match || steps.length === MAX_JSON_DEPTH) return undefined;
    const [, name, index, single, double] = match;
    steps.push(index === undefined ? (name ?? unescaped(single ?? double ?? '')) : Number(index));
  }
  return steps;
}

function unescaped(text: string): string {
  return text.replaceAll(/\\(.)/g, '$1');
}

function emptyFor(step: Step): Container {
  return typeof step === 'number' ? [] : Object.create(null);
}

function isContainer(value: unknown): value is Container {
  return typeof value === 'object' && value !== null;
}

function valueAt(container: Container, step: Step): unknown {
  if (Array.isArray(container)) return typeof step === 'number' ? container[step] : undefined;
  return Object.hasOwn(container, step) ? container[step] : undefined;
}

/** @returns whether the value has a place there: an element must exist or be the next one */
function put(container: Container, step: Step, value: unknown): boolean {
  if (!Array.isArray(container)) container[step] = value;
  else if (typeof step !== 'number' || step > container.length) return false;
  else container[step] = value;
  return true;
}

function typedValue({ stringValue, numberValue, boolValue }: JsonObject): unknown {
  return stringValue ?? numberValue ?? boolValue ?? null;
}
