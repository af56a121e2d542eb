import { completeReceiver } from './answers.ts';
import { DOCUMENTED_ANSWERS } from './documented.ts';
import type { Row } from './page.ts';
import type { Shape } from './shape.ts';
import type { Json } from './values.ts';
import type { AnswerWalk } from './vendor-answers.ts';
import { walkMembers } from './walk-members.ts';
import { TARGETS } from './walk-requests.ts';

/** Client dialects by the columns of the tables. Legacy completions have text only. */
export const CLIENTS: Readonly<Record<string, string>> = {
  'chat completions': 'openai-chat',
  responses: 'openai-responses',
  messages: 'anthropic-messages',
};

/** Reads every member of a vendor's complete responses for every client. */
export function walkAnswers(walk: AnswerWalk, shape: Shape): Row[] {
  const target = TARGETS[walk.target];
  if (!target) throw new Error(`there is no target ${walk.target}`);
  const send = Object.fromEntries(
    Object.entries(CLIENTS).map(([column, dialect]) => [column, completeReceiver(dialect, target)]),
  );
  return walkMembers<Json>(shape, {
    ...walk,
    send,
    hole: (value) => value as Json,
    documented: DOCUMENTED_ANSWERS,
  });
}
