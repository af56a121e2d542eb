/** Members whose own members are in an order that a model reads: JSON schemas. */
const ORDERED: ReadonlySet<string> = new Set(['parameters', 'input_schema', 'schema', 'json_schema']);

/**
 * @param value parsed JSON
 * @param omitted names of top-level members that are left out
 * @returns JSON text whose members are sorted by name, except within schemas
 */
export function canonicalJson(value: unknown, omitted?: ReadonlySet<string>): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  if (Array.isArray(value)) {
    let text = '[';
    for (let at = 0; at < value.length; at += 1) text += (at === 0 ? '' : ',') + canonicalJson(value[at]);
    return `${text}]`;
  }
  return objectText(value, omitted);
}

function objectText(value: object, omitted: ReadonlySet<string> | undefined): string {
  const names = Object.keys(value);
  if (names.length > 1) names.sort();
  let text = '{';
  for (const name of names) {
    if (omitted?.has(name)) continue;
    const member: unknown = Reflect.get(value, name);
    if (member === undefined) continue;
    const written = ORDERED.has(name) ? JSON.stringify(member) : canonicalJson(member);
    text += `${text.length === 1 ? '' : ','}${JSON.stringify(name)}:${written}`;
  }
  return `${text}}`;
}
