import type { Documented } from './documented.ts';
import { type Outcome, outcomeOf, type Sent } from './outcome.ts';
import type { Row } from './page.ts';
import type { Shape } from './shape.ts';
import { type ValueRules, Values } from './values.ts';
import { type Hole, type Visit, Walk, type WalkOptions } from './walk.ts';

/** How the messages of one type are walked. */
export interface MemberWalk<Message> extends Omit<WalkOptions, 'values'> {
  readonly rules: ValueRules;
  /** Ways for a message, by column of the table. */
  readonly send: Readonly<Record<string, (message: Message) => Sent>>;
  /** The message around a value of the type. */
  readonly hole: Hole<Message>;
  /** Changes the messages of one member, which may need other members too. */
  readonly complete?: (message: Message, label: string) => Message;
  readonly documented: readonly Documented[];
  /** Rows of a type that this one repeats. Their members are not walked again. */
  readonly known?: readonly Row[];
}

/**
 * Sends every member of a type every way.
 * @returns a row for each member that is not known
 */
export function walkMembers<Message extends object>(shape: Shape, walk: MemberWalk<Message>): Row[] {
  const rows = new Map<string, Record<string, Outcome>>();
  const known = new Map(walk.known?.map((row) => [row.label, row.outcomes]));
  const { complete = (message) => message } = walk;
  const ways = Object.entries(walk.send).map(([column, send]) => {
    const results = new WeakMap<Message, Sent>();
    const sendOnce = (message: Message): Sent => {
      const found = results.get(message) ?? send(message);
      results.set(message, found);
      return found;
    };
    return { column, sendOnce };
  });
  const visitor = (visit: Visit<Message>) => {
    const { label } = visit;
    if (known.has(label)) return;
    const row = rows.get(label) ?? {};
    rows.set(label, row);
    const completed = {
      ...visit,
      variants: () => visit.variants().map((message) => complete(message, label)),
      without: visit.without && complete(visit.without, label),
    };
    for (const { column, sendOnce } of ways) {
      const outcome =
        inherited((path) => rows.get(path) ?? known.get(path), label, column) ??
        explained(walk.documented, label, column, outcomeOf(completed, sendOnce));
      row[column] = better(row[column], outcome);
    }
  };
  const types = shape.kind === 'choice' ? shape.of : [shape];
  const walker = new Walk<Message>({ ...walk, values: new Values(walk.rules) }, visitor);
  walker.alternatives(types, walk.hole);
  return [...rows].map(([label, outcomes]) => ({ label, outcomes }));
}

function explained(
  documented: readonly Documented[],
  label: string,
  column: string,
  outcome: Outcome,
): Outcome {
  if (outcome.word !== 'silent') return outcome;
  const found = documented.find((one) => one.label.test(label) && (one.columns?.includes(column) ?? true));
  return found ? { ...outcome, word: 'explained', reason: found.reason } : outcome;
}

/** A member of something that was left out or rejected as a whole. */
function inherited(
  rowOf: (label: string) => Readonly<Record<string, Outcome>> | undefined,
  label: string,
  column: string,
): Outcome | undefined {
  for (let end = label.lastIndexOf('.'); end > 0; end = label.lastIndexOf('.', end - 1)) {
    const outcome = rowOf(label.slice(0, end))?.[column];
    if (outcome?.word === 'warned' || outcome?.word === 'rejected') return outcome;
  }
  return undefined;
}

/** A member may be visited in several forms: text, a list. */
function better(known: Outcome | undefined, outcome: Outcome): Outcome {
  return known === undefined || known.word === 'silent' ? outcome : known;
}
