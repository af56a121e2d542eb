import { REQUEST_WALKS, type RequestWalk } from './dialect-requests.ts';
import { type Section, versionOf } from './page.ts';
import { readTypes } from './read-types.ts';
import { TARGETS, walkRequests } from './walk-requests.ts';

const PACKAGE = /^(?:@[^/]+\/)?[^/]+/;

function sourceOf({ type: { file, type } }: RequestWalk): string {
  return `\`${type}\` in ${versionOf(PACKAGE.exec(file)?.[0] ?? file)}`;
}

function requestSections(): readonly Section[] {
  const shapes = readTypes(REQUEST_WALKS.map(({ type }) => type));
  const known = new Set<string>();
  return REQUEST_WALKS.map((walk, index): Section => {
    const shape = shapes[index];
    if (!shape) throw new Error(`${walk.title} has no type`);
    const all = walkRequests(walk, shape);
    // A type that extends another one contributes its own members.
    const rows = walk.extends ? all.filter(({ label }) => !known.has(`${walk.dialect} ${label}`)) : all;
    for (const { label } of rows) known.add(`${walk.dialect} ${label}`);
    return { title: walk.title, source: sourceOf(walk), columns: Object.keys(TARGETS), rows };
  });
}

/** The outcomes of all members of published request types. Computed once, when a test needs them. */
export const REQUEST_SECTIONS: readonly Section[] = requestSections();
