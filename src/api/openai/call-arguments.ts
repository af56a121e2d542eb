/**
 * The arguments of a complete call. Models call functions without arguments with an empty text, which is not JSON: clients
 * parse it.
 */
export function completeArguments(text: string): string {
  return text.trim() === '' ? '{}' : text;
}
