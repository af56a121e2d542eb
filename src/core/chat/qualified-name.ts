/** The name of a tool in a group of tools, for targets without groups and in `tool_choice`. */
export function qualifiedName(namespace: string | undefined, name: string): string {
  if (namespace === undefined || namespace === '') return name;
  return namespace.endsWith('__') ? `${namespace}${name}` : `${namespace}__${name}`;
}
