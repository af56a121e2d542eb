import type { AddFinding, SensitiveKind } from '../kinds.ts';
import { cardLength } from './card.ts';
import { type DigitGroup, digitClusters } from './digit-groups.ts';
import { nationalIdLength, ssnLength } from './national-id.ts';
import { phoneLength } from './phone.ts';

interface NumberContext {
  readonly text: string;
  /** Whether no other digits are directly before. */
  readonly isStart: boolean;
  readonly kinds: ReadonlySet<SensitiveKind>;
}

/** Kinds of numbers with their tests, the most specific first. */
const TESTS: readonly (readonly [
  SensitiveKind,
  (groups: readonly DigitGroup[], text: string, isStart: boolean) => number,
])[] = [
  ['card', cardLength],
  ['ssn', ssnLength],
  ['national_id', nationalIdLength],
  ['phone', phoneLength],
];

/** Cards, national identification numbers and telephone numbers: check digits distinguish them. */
export function findNumbers(text: string, kinds: ReadonlySet<SensitiveKind>, add: AddFinding): void {
  for (const { groups } of digitClusters(text)) {
    let isStart = true;
    for (let index = 0; index < groups.length; ) {
      const count = takeNumber(groups.slice(index), { text, isStart, kinds }, add);
      isStart = count > 0;
      index += Math.max(1, count);
    }
  }
}

/** @returns the number of groups of a number that begins with the first one; 0 for none */
function takeNumber(
  groups: readonly DigitGroup[],
  { text, isStart, kinds }: NumberContext,
  add: AddFinding,
): number {
  const [first] = groups;
  if (!first) return 0;
  for (const [kind, lengthOf] of TESTS) {
    const count = lengthOf(groups, text, isStart);
    const last = groups[count - 1];
    if (!last) continue;
    // A card is no telephone number, even where only telephone numbers are looked for.
    if (kinds.has(kind)) add(kind, first.start - prefixLength(kind, first), last.end);
    return count;
  }
  return 0;
}

/** `+` and `(` belong to a telephone number. */
function prefixLength(kind: SensitiveKind, { separator }: DigitGroup): number {
  return kind === 'phone' ? (/[+(]+$/.exec(separator)?.[0].length ?? 0) : 0;
}
