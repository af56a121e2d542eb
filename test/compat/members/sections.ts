import { once } from '../../../src/core/once.ts';
import { REQUEST_WALKS } from './dialect-requests.ts';
import { type Row, type Section, versionOf } from './page.ts';
import { readTypes, type TypeName } from './read-types.ts';
import type { Shape } from './shape.ts';
import { ANSWER_WALKS } from './vendor-answers.ts';
import { CLIENTS, walkAnswers } from './walk-answers.ts';
import { TARGETS, walkRequests } from './walk-requests.ts';

const PACKAGE = /^(?:@[^/]+\/)?[^/]+/;

const NONE: Shape = { kind: 'any' };

interface Walked {
  readonly title: string;
  readonly type: TypeName;
  /** Whether the type repeats members of the one before it. */
  readonly extends?: boolean;
  readonly group: string;
  readonly rows: readonly Row[];
}

/** Sections, in which a type that extends another one has its own members only. */
function withoutRepetition(walked: readonly Walked[], columns: readonly string[]): Section[] {
  const known = new Set<string>();
  return walked.map(({ title, type, group, rows: all, extends: repeats }) => {
    const rows = repeats ? all.filter(({ label }) => !known.has(`${group} ${label}`)) : all;
    for (const { label } of rows) known.add(`${group} ${label}`);
    return { title, source: sourceOf(type), columns, rows };
  });
}

function sourceOf({ file, type }: TypeName): string {
  return `\`${type}\` in ${versionOf(PACKAGE.exec(file)?.[0] ?? file)}`;
}

function requestSections(): readonly Section[] {
  const shapes = readTypes(REQUEST_WALKS.map(({ type }) => type));
  return withoutRepetition(
    REQUEST_WALKS.map((walk, index) => ({
      ...walk,
      group: walk.dialect,
      rows: walkRequests(walk, shapes[index] ?? NONE),
    })),
    Object.keys(TARGETS),
  );
}

function answerSections(): readonly Section[] {
  const shapes = readTypes(ANSWER_WALKS.map(({ type }) => type));
  return withoutRepetition(
    ANSWER_WALKS.map((walk, index) => ({
      ...walk,
      group: walk.target,
      rows: walkAnswers(walk, shapes[index] ?? NONE),
    })),
    Object.keys(CLIENTS),
  );
}

/** The outcomes of all members of published types. Computed when a test first needs them. */
export const requestOutcomes = once(requestSections);
export const answerOutcomes = once(answerSections);
