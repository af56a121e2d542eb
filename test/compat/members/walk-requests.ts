import { createOpenAiAdapter } from '../../../src/providers/openai-compatible/adapter.ts';
import { ENGINES } from '../../../src/providers/openai-compatible/vendors.ts';
import type { Target } from '../../../src/providers/types.ts';
import { DIALECTS, FORMATS } from '../../support/dialects-and-formats.ts';
import { testProvider, testTarget } from '../../support/inference.ts';
import type { RequestWalk } from './dialect-requests.ts';
import { DOCUMENTED_REQUESTS } from './documented.ts';
import type { Row } from './page.ts';
import { sendRequest } from './requests.ts';
import type { Shape } from './shape.ts';
import type { Json } from './values.ts';
import { walkMembers } from './walk-members.ts';

const { 'Azure OpenAI': _, ...OTHERS } = FORMATS;

/** Azure shares OpenAI's formats. */
export const TARGETS: Readonly<Record<string, Target>> = {
  ...OTHERS,
  vLLM: testTarget(
    testProvider({
      adapter: createOpenAiAdapter({ api: 'chat', responses: false }),
      profile: ENGINES.vllm,
    }),
    'qwen',
  ),
};

/**
 * Sends every member of a dialect's requests to every format.
 * @param known rows of a type that this one repeats
 */
export function walkRequests(walk: RequestWalk, shape: Shape, known: readonly Row[]): Row[] {
  const tested = DIALECTS[walk.dialect];
  if (!tested) throw new Error(`there is no dialect ${walk.dialect}`);
  const send = Object.fromEntries(
    Object.entries(TARGETS)
      .filter(([name]) => walk.targets?.includes(name) ?? true)
      .map(([name, target]) => [name, (request: Json) => sendRequest(tested, target, request)]),
  );
  return walkMembers<Json>(shape, {
    ...walk,
    send,
    hole: (value) => value as Json,
    complete: (request, label) => ({
      ...walk.extras.find(([pattern]) => pattern.test(label))?.[1],
      ...request,
    }),
    documented: DOCUMENTED_REQUESTS,
    known,
  });
}
