import { toBytes } from '../../support/bytes.ts';
import { completeReceiver, streamReceiver } from './answers.ts';
import { DOCUMENTED_ANSWERS, DOCUMENTED_STREAMS } from './documented.ts';
import type { Row } from './page.ts';
import type { Shape } from './shape.ts';
import type { Json } from './values.ts';
import type { AnswerWalk } from './vendor-answers.ts';
import type { StreamWalk } from './vendor-streams.ts';
import { walkMembers } from './walk-members.ts';
import { TARGETS } from './walk-requests.ts';

/** Client dialects by the columns of the tables. Legacy completions have text only. */
export const CLIENTS: Readonly<Record<string, string>> = {
  'chat completions': 'openai-chat',
  responses: 'openai-responses',
  messages: 'anthropic-messages',
};

/**
 * Reads every member of a vendor's complete responses for every client.
 * @param known rows of a type that this one repeats
 */
export function walkAnswers(walk: AnswerWalk, shape: Shape, known: readonly Row[]): Row[] {
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
    known,
  });
}

/** A streamed response: its events in order. */
interface EventList {
  readonly events: readonly Json[];
}

/** Reads every member of the events of a vendor's streams for every client. */
export function walkStreams(walk: StreamWalk, shape: Shape): Row[] {
  const target = TARGETS[walk.target];
  if (!target) throw new Error(`there is no target ${walk.target}`);
  const end = walk.end === undefined ? [] : [toBytes(walk.end)];
  const send = Object.fromEntries(
    Object.entries(CLIENTS).map(([column, dialect]) => {
      const receive = streamReceiver(dialect, target);
      return [column, ({ events }: EventList) => receive([...events.map(walk.encode), ...end])];
    }),
  );
  return walkMembers<EventList>(shape, {
    ...walk,
    send,
    hole: (value) => ({ events: walk.events(value as Json) }),
    documented: [...DOCUMENTED_STREAMS, ...DOCUMENTED_ANSWERS],
  });
}
