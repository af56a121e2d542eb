import { isRecord, type JsonObject } from '../core/json.ts';

/** The members of an object that a dialect reads, or that say nothing to a model. */
export interface KnownMembers {
  readonly names: ReadonlySet<string>;
  /** Members of those members, by name: of an object, or of each object of a list. */
  readonly inside: Readonly<Record<string, KnownMembers | KnownByValue>>;
}

/** Chooses by the object, such as by its `type`. Undefined for an object that is not looked into. */
export type KnownByValue = (value: JsonObject) => KnownMembers | undefined;

/** @param names separated by spaces */
export function known(names: string, inside: KnownMembers['inside'] = {}): KnownMembers {
  return { names: new Set([...names.split(' '), ...Object.keys(inside)]), inside };
}

/** Paths that are listed of one request. */
const MAX_LISTED = 100;

/** Paths by what they are without their positions. */
type Found = Map<string, string>;

/**
 * Lists the members of a request that the dialect does not read, nested ones too. Members without a value count as absent.
 * @returns paths such as `messages[2].content[0].phase`, the first of those that differ in positions only; at most 100
 */
export function unreadMembers(body: JsonObject, members: KnownMembers): readonly string[] {
  const found: Found = new Map();
  // Most requests have none, and their paths are not needed.
  for (const name in members.inside) {
    if (hasUnread(body[name], members.inside[name])) look(body[name], members.inside[name], name, found);
  }
  return [...found.values()];
}

function hasUnread(value: unknown, choice: KnownMembers | KnownByValue | undefined): boolean {
  if (Array.isArray(value)) {
    for (const one of value) if (isRecord(one) && hasUnread(one, choice)) return true;
    return false;
  }
  if (!isRecord(value) || choice === undefined) return false;
  const members = typeof choice === 'function' ? choice(value) : choice;
  if (members === undefined) return false;
  for (const name in value) {
    if (!members.names.has(name)) {
      if (!isAbsent(value[name])) return true;
    } else if (Object.hasOwn(members.inside, name) && hasUnread(value[name], members.inside[name]))
      return true;
  }
  return false;
}

function look(
  value: unknown,
  choice: KnownMembers | KnownByValue | undefined,
  path: string,
  found: Found,
): void {
  if (Array.isArray(value)) {
    for (const [index, one] of value.entries()) {
      if (isRecord(one)) look(one, choice, `${path}[${index}]`, found);
    }
    return;
  }
  if (!isRecord(value) || choice === undefined || found.size >= MAX_LISTED) return;
  const members = typeof choice === 'function' ? choice(value) : choice;
  if (members === undefined) return;
  for (const name in value) {
    if (members.names.has(name)) {
      if (Object.hasOwn(members.inside, name))
        look(value[name], members.inside[name], `${path}.${name}`, found);
    } else if (!isAbsent(value[name])) addPath(`${path}.${name}`, found);
  }
}

function addPath(path: string, found: Found): void {
  if (found.size >= MAX_LISTED) return;
  const kind = path.replaceAll(/\[\d+\]/g, '');
  if (!found.has(kind)) found.set(kind, path);
}

/** Clients send responses back, in which vendors write empty lists for what is not there. */
function isAbsent(value: unknown): boolean {
  return value === undefined || value === null || (Array.isArray(value) && value.length === 0);
}
