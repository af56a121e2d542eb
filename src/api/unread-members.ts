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
const MAX_LISTED = 200;

/**
 * Lists the members of a request that the dialect does not read, nested ones too. Members without a value count as absent.
 * @returns paths such as `messages[2].content[0].phase`, at most 200
 */
export function unreadMembers(body: JsonObject, members: KnownMembers): readonly string[] {
  const found: string[] = [];
  // Most requests have none, and their paths are not needed.
  for (const name in members.inside) {
    if (hasUnread(body[name], members.inside[name])) look(body[name], members.inside[name], name, found);
  }
  return found;
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
  found: string[],
): void {
  if (Array.isArray(value)) {
    for (const [index, one] of value.entries()) {
      if (isRecord(one)) look(one, choice, `${path}[${index}]`, found);
    }
    return;
  }
  if (!isRecord(value) || choice === undefined || found.length >= MAX_LISTED) return;
  const members = typeof choice === 'function' ? choice(value) : choice;
  if (members === undefined) return;
  for (const name in value) {
    if (members.names.has(name)) {
      if (Object.hasOwn(members.inside, name))
        look(value[name], members.inside[name], `${path}.${name}`, found);
    } else if (!isAbsent(value[name])) found.push(`${path}.${name}`);
  }
}

/** Clients send responses back, in which vendors write empty lists for what is not there. */
function isAbsent(value: unknown): boolean {
  return value === undefined || value === null || (Array.isArray(value) && value.length === 0);
}
