import fc from 'fast-check';
import type { TransportFailure } from '../../src/core/transport.ts';
import { chatAnswer, chatEvent } from './inference.ts';

/** Random schedules of what the network, the client and the operator do while a request runs. */

const DONE = 'data: [DONE]\n\n';
const FAILURES: readonly TransportFailure[] = [
  'connect',
  'connect_timeout',
  'closed_before_response',
  'closed_mid_body',
  'protocol',
];

const PIECES = [
  chatEvent('a'),
  chatEvent('b').repeat(12),
  chatEvent('half').slice(0, 40),
  chatEvent('', 'stop'),
  chatEvent('', 'stop') + DONE,
  DONE,
  ': ping\n\n',
  'data: {"error":{"message":"no"}}\n\n',
  'data: {oops\n\n',
  `${chatEvent('a')}data: {oops\n\n`,
  chatAnswer(),
  '<html>',
] as const;

const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('head'),
      head: fc.constantFrom('stream', 'stream', 'json', '500', '401', '400'),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('data'),
      piece: fc.constantFrom(...PIECES, PIECES[0], PIECES[1]),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('end') }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('error'), failure: fc.constantFrom(...FAILURES) }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('settle') }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('read') }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('advance'), ms: fc.constantFrom(10, 150, 350, 1_100) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('cancel') }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('another leaves') }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('client gone') }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('shutdown') }) },
) satisfies fc.Arbitrary<{ kind: string }>;
export type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

const anyHead = (head: 'stream' | 'json'): Step => ({ kind: 'head', head });
const anyData = (piece: (typeof PIECES)[number]): Step => ({ kind: 'data', piece });
/** Runs of steps that get far, so that disturbances meet requests in every state. */
const progress = fc.constantFrom<Step[]>(
  [anyHead('stream'), anyData(PIECES[0]), { kind: 'settle' }],
  [anyHead('stream'), anyData(PIECES[1]), anyData(PIECES[0])],
  [anyHead('stream'), anyData(PIECES[0]), { kind: 'settle' }, { kind: 'read' }, anyData(PIECES[4])],
  [anyHead('json'), anyData(chatAnswer()), { kind: 'end' }],
  [anyData(PIECES[0]), { kind: 'read' }],
  [anyData(PIECES[4]), { kind: 'end' }],
);
export const schedule = fc.record({
  stream: fc.boolean(),
  /** Whether a second target is asked soon beside a slow one. */
  hedged: fc.boolean(),
  /** Whether each target takes one request at a time, and another request is there already. */
  busy: fc.boolean(),
  /** Whether another target continues a stream that breaks. */
  continued: fc.boolean(),
  /** Which of several upstreams that answer at the same time moves next. */
  turns: fc.array(fc.nat(1), { maxLength: 20 }),
  /** What building a request for each target does. */
  targets: fc.array(fc.constantFrom('sends', 'sends', 'sends', 'sends', 'sends', 'refuses', 'breaks'), {
    minLength: 1,
    maxLength: 3,
  }),
  steps: fc
    .array(
      fc.oneof(
        progress,
        step.map((one): Step[] => [one]),
      ),
      { maxLength: 20 },
    )
    .map((steps) => steps.flat()),
});

/** Schedules in which a client leaves a stream that began, which others rarely reach behind a chain with faults. */
export const leavingSchedule = schedule.map((plan) => ({
  ...plan,
  stream: true,
  busy: false,
  targets: ['sends'],
  steps: [
    ...[anyHead('stream'), anyData(PIECES[0]), { kind: 'settle' } as const],
    ...[{ kind: 'settle' } as const, { kind: 'read' } as const, { kind: 'cancel' } as const],
    ...plan.steps,
  ],
}));

/** Schedules in which a stream with text breaks, and another target can continue it. */
export const breakingSchedule = schedule.map((plan) => ({
  ...plan,
  ...{ stream: true, busy: false, hedged: false, continued: true, targets: ['sends', 'sends'], turns: [] },
  steps: [
    ...[anyHead('stream'), anyData(PIECES[0]), { kind: 'settle' } as const],
    ...[{ kind: 'error', failure: 'closed_mid_body' } as const, { kind: 'settle' } as const],
    ...[anyHead('stream'), anyData(PIECES[4]), { kind: 'settle' } as const],
    ...plan.steps,
  ],
}));
