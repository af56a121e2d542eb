import { once } from '../../../src/core/once.ts';
import { REQUEST_WALKS } from './dialect-requests.ts';
import {
  EMBEDDING_ANSWERS,
  EMBEDDING_REQUEST,
  EMBEDDING_TARGETS,
  walkEmbeddingAnswers,
  walkEmbeddingRequests,
} from './embeddings.ts';
import { type Row, type Section, versionOf } from './page.ts';
import { readTypes, type TypeName } from './read-types.ts';
import type { Shape } from './shape.ts';
import { ANSWER_WALKS } from './vendor-answers.ts';
import { STREAM_WALKS } from './vendor-streams.ts';
import { CLIENTS, walkAnswers, walkStreams } from './walk-answers.ts';
import { TARGETS, walkRequests } from './walk-requests.ts';

const PACKAGE = /^(?:@[^/]+\/)?[^/]+/;

interface Walked {
  readonly title: string;
  readonly type: TypeName;
  /** Whether the type repeats members of the one before it. */
  readonly extends?: boolean;
  /** Columns of this walk only. */
  readonly targets?: readonly string[];
}

/** The types of all walks, read at once because the compiler reads packages as a whole. */
const shapes = once(() => {
  const types = [
    EMBEDDING_REQUEST,
    ...REQUEST_WALKS,
    ...ANSWER_WALKS,
    ...STREAM_WALKS,
    ...EMBEDDING_ANSWERS,
  ].map(({ type }) => type);
  const read = readTypes(types);
  return (type: TypeName): Shape => read[types.indexOf(type)] ?? { kind: 'any' };
});

function sectionsOf<Walk extends Walked>(
  walks: readonly Walk[],
  columns: readonly string[],
  rowsOf: (walk: Walk, shape: Shape, known: readonly Row[]) => readonly Row[],
): readonly Section[] {
  let before: readonly Row[] = [];
  return walks.map((walk) => {
    const { title, type } = walk;
    const rows = rowsOf(walk, shapes()(type), walk.extends ? before : []);
    before = rows;
    const source = `\`${type.type}\` in ${versionOf(PACKAGE.exec(type.file)?.[0] ?? type.file)}`;
    return { title, source, columns: walk.targets ?? columns, rows };
  });
}

/** The outcomes of all members of published types. Computed when a test first needs them. */
export const requestOutcomes = once(() => [
  ...sectionsOf(REQUEST_WALKS, Object.keys(TARGETS), walkRequests),
  ...sectionsOf([EMBEDDING_REQUEST], Object.keys(EMBEDDING_TARGETS), walkEmbeddingRequests),
]);
export const answerOutcomes = once(() => [
  ...sectionsOf(ANSWER_WALKS, Object.keys(CLIENTS), walkAnswers),
  ...sectionsOf(EMBEDDING_ANSWERS, ['embeddings'], walkEmbeddingAnswers),
]);
export const streamOutcomes = once(() => sectionsOf(STREAM_WALKS, Object.keys(CLIENTS), walkStreams));
