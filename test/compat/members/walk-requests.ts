import { createOpenAiAdapter } from '../../../src/providers/openai-compatible/adapter.ts';
import { ENGINES } from '../../../src/providers/openai-compatible/vendors.ts';
import type { Target } from '../../../src/providers/types.ts';
import { DIALECTS, FORMATS } from '../../support/dialects-and-formats.ts';
import { testProvider, testTarget } from '../../support/inference.ts';
import type { RequestWalk } from './dialect-requests.ts';
import { DOCUMENTED_REQUESTS } from './documented.ts';
import { type Outcome, outcomeOf, type Sent } from './outcome.ts';
import type { Row } from './page.ts';
import { sendRequest } from './requests.ts';
import type { Shape } from './shape.ts';
import { type Json, Values } from './values.ts';
import { type Visit, Walk } from './walk.ts';

const { 'Azure OpenAI': _, ...OTHERS } = FORMATS;

/** Azure shares OpenAI's formats. */
export const TARGETS: Readonly<Record<string, Target>> = {
  ...OTHERS,
  vLLM: testTarget(
    testProvider({ adapter: createOpenAiAdapter({ api: 'chat', responses: false }), profile: ENGINES.vllm }),
    'qwen',
  ),
};

/** Sends every member of a dialect's requests to every format. */
export function walkRequests(walk: RequestWalk, shape: Shape): Row[] {
  const tested = DIALECTS[walk.dialect];
  if (!tested || shape.kind !== 'object') throw new Error(`${walk.dialect} is not walked`);
  const rows = new Map<string, Record<string, Outcome>>();
  const formats = Object.entries(TARGETS);
  const values = new Values(walk.rules);
  const senders = formats.map(([, target]) => {
    const known = new WeakMap<Json, Sent>();
    return (request: Json): Sent => {
      const found = known.get(request) ?? sendRequest(tested, target, request);
      known.set(request, found);
      return found;
    };
  });
  const visitor = (visit: Visit<Json>) => {
    const row = rows.get(visit.label) ?? {};
    rows.set(visit.label, row);
    const extra = walk.extras.find(([pattern]) => pattern.test(visit.label))?.[1] ?? {};
    const completed = {
      ...visit,
      variants: () => visit.variants().map((request) => ({ ...extra, ...request })),
      without: visit.without && { ...extra, ...visit.without },
    };
    for (const [index, [name]] of formats.entries()) {
      const send = senders[index];
      if (!send) continue;
      const outcome =
        inherited(rows, visit.label, name) ?? explained(visit.label, name, outcomeOf(completed, send));
      row[name] = better(row[name], outcome);
    }
  };
  new Walk<Json>({ ...walk, values }, visitor).members(shape, (value) => value as Json);
  return [...rows].map(([label, outcomes]) => ({ label, outcomes }));
}

function explained(label: string, target: string, outcome: Outcome): Outcome {
  if (outcome.word !== 'silent') return outcome;
  const found = DOCUMENTED_REQUESTS.find(
    (one) => one.label.test(label) && (one.targets?.includes(target) ?? true),
  );
  return found ? { ...outcome, word: found.word, reason: found.reason } : outcome;
}

/** A member of something that was left out or rejected as a whole. */
function inherited(
  rows: ReadonlyMap<string, Readonly<Record<string, Outcome>>>,
  label: string,
  format: string,
): Outcome | undefined {
  for (let end = label.lastIndexOf('.'); end > 0; end = label.lastIndexOf('.', end - 1)) {
    const outcome = rows.get(label.slice(0, end))?.[format];
    if (outcome?.word === 'warned' || outcome?.word === 'rejected') return outcome;
  }
  return undefined;
}

/** A member may be visited in several forms: text, a list. */
function better(known: Outcome | undefined, outcome: Outcome): Outcome {
  return known === undefined || known.word === 'silent' ? outcome : known;
}
