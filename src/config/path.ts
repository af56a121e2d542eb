/** The path of a value: map keys and list indexes from the root. */
export type ConfigPath = readonly (string | number)[];

const PLAIN_KEY = /^[A-Za-z_][A-Za-z0-9_-]*$/;
const MAX_KEY_LENGTH = 60;

/** `providers[1].kind`; keys that are not plain words are quoted: `headers["a b"]`. The root is ''. */
export function formatPath(path: ConfigPath): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (PLAIN_KEY.test(part)) text += text === '' ? part : `.${part}`;
    else text += `[${JSON.stringify(part)}]`;
  }
  return text;
}

/** A word from the file in quotes, safe to print: control characters escaped, length bounded. */
export function quote(word: string): string {
  return JSON.stringify(word.length > MAX_KEY_LENGTH ? `${word.slice(0, MAX_KEY_LENGTH)}…` : word);
}
