import { isDeepStrictEqual } from 'node:util';
import type { Warning } from '../../../src/core/warning.ts';
import type { Visit } from './walk.ts';

/**
 * The fate of one member.
 * - `carried`: arrives under its own name
 * - `mapped`: arrives under another name or in another form
 * - `warned`: is left out, and `x-weir-warnings` names it
 * - `rejected`: the request gets an error that names it
 * - `explained`: has no effect, for a reason that the page states
 * - `silent`: none of these
 */
export type Word = 'carried' | 'mapped' | 'warned' | 'rejected' | 'explained' | 'silent';

/** One request on its way to a target. */
export interface Sent {
  /** URL, headers and body of the upstream request; undefined for a rejected request. */
  readonly upstream: string | undefined;
  readonly body: unknown;
  readonly warnings: readonly Warning[];
  readonly error: { readonly param: string; readonly message: string } | undefined;
}

export interface Outcome {
  readonly word: Word;
  /** Why it has no effect, or none that can be seen. */
  readonly reason?: string;
  /** Warnings, or the message of the error. */
  readonly messages: readonly string[];
  /** A request with this outcome. */
  readonly sample: unknown;
  /** Values of a fixed set that change nothing and cause no warning, although others do. */
  readonly silentValues: readonly unknown[];
}

type Named = Pick<Visit<unknown>, 'name' | 'label'>;

const ORDER: readonly Word[] = ['carried', 'mapped', 'warned', 'rejected', 'explained', 'silent'];

/** Compares requests that differ by one member. */
export function outcomeOf<Message>(visit: Visit<Message>, send: (message: Message) => Sent): Outcome {
  const base = visit.without && send(visit.without);
  const variants = visit.variants();
  const sent = variants.map(send);
  const single = sent.map((one, index) => {
    const others = base ? [base] : sent.filter((other) => other !== one);
    return wordFor(one, others, visit, visit.values[index]);
  });
  const best = single.toSorted((a, b) => ORDER.indexOf(a.word) - ORDER.indexOf(b.word))[0];
  const word = best?.word ?? 'silent';
  return {
    word,
    messages: best?.messages ?? [],
    sample: best && variants[single.indexOf(best)],
    silentValues:
      word === 'silent' ? [] : visit.values.filter((_, index) => single[index]?.word === 'silent'),
  };
}

function wordFor(
  one: Sent,
  others: readonly Sent[],
  visit: Named,
  value: unknown,
): { readonly word: Word; readonly messages: readonly string[] } {
  if (one.error) {
    const { param, message } = one.error;
    const same = others.some(({ error }) => error?.message === message);
    if (!same && isAbout(param, message, visit)) return { word: 'rejected', messages: [message] };
    return { word: 'silent', messages: [`rejected${same ? ' without it too' : ''}: ${param}: ${message}`] };
  }
  const known = new Set(others.flatMap(({ warnings }) => warnings.map(({ message }) => message)));
  const added = one.warnings.filter(({ message }) => !known.has(message)).map(({ message }) => message);
  if (others.some(({ upstream }) => upstream !== one.upstream)) {
    if (contains(one.body, visit.name, value)) return { word: 'carried', messages: added };
    if (added.length === 0 || isIn(one.upstream ?? '', value)) return { word: 'mapped', messages: added };
    return { word: 'warned', messages: added };
  }
  if (added.length > 0) return { word: 'warned', messages: added };
  const about = one.warnings.filter(
    ({ kind, param, message }) => kind === 'unsupported' && isAbout(param, message, visit),
  );
  if (about.length > 0) return { word: 'warned', messages: about.map(({ message }) => message) };
  return { word: 'silent', messages: [] };
}

/** Whether a warning or an error names the member or something around it. */
function isAbout(param: string, message: string, { name, label }: Named): boolean {
  if (message.includes(`"${name}"`)) return true;
  const named = plain(param).replace(/^response\./, '');
  const path = plain(label);
  // A part of a response is left out as a whole; the warning names its kind, or a list around it.
  const steps: readonly string[] = label.match(/[\w-]+/g) ?? [];
  if (steps.some((step) => message.includes(`"${step}"`))) return true;
  if (param.startsWith('response.') && steps.includes(named.split('.').at(-1) ?? '')) return true;
  return named !== '' && (path === named || path.startsWith(`${named}.`) || named.split('.').at(-1) === name);
}

/** A path without positions and alternatives. */
function plain(path: string): string {
  return path.replaceAll(/\[\d*\]|\([^)]*\)|\{\}|\.\d+(?=\.|$)/g, '');
}

/** Whether a value arrived under its name, anywhere. */
function contains(body: unknown, name: string, value: unknown): boolean {
  if (Array.isArray(body)) return body.some((one) => contains(one, name, value));
  if (typeof body !== 'object' || body === null) return false;
  return Object.entries(body).some(
    ([key, found]) =>
      (key === name && (isDeepStrictEqual(found, value) || isEntry(found, value))) ||
      contains(found, name, value),
  );
}

function isEntry(found: unknown, value: unknown): boolean {
  return Array.isArray(found) && found.some((one) => isDeepStrictEqual(one, value));
}

/** Whether a mark of a value arrived, anywhere. */
function isIn(text: string, value: unknown): boolean {
  const marks = (JSON.stringify(value) ?? '').match(/zq\d+/g) ?? [];
  return marks.some((mark) => new RegExp(`${mark}(?!\\d)`).test(text));
}
