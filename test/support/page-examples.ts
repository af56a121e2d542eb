import { readFileSync } from 'node:fs';

/** A fenced block of a page. */
export interface PageExample {
  /** Such as `docs/api.md:12`. */
  readonly place: string;
  /** As the fence says: `sh`, `json`, `yaml`, ...; empty for none. */
  readonly language: string;
  readonly text: string;
  /** Content of the comment `<!-- example: ... -->` on the line before the block. */
  readonly note: string | undefined;
}

/** @returns the fenced blocks of a page, in order */
export function examplesOf(root: string, page: string): PageExample[] {
  const lines = readFileSync(`${root}/${page}`, 'utf8').split('\n');
  const examples: PageExample[] = [];
  for (let at = 0; at < lines.length; at += 1) {
    const fence = /^```(\w*)$/.exec(lines[at] ?? '');
    if (!fence) continue;
    const end = lines.indexOf('```', at + 1);
    const before = lines.slice(0, at).findLast((line) => line.trim() !== '');
    examples.push({
      place: `${page}:${at + 1}`,
      language: fence[1] ?? '',
      text: lines.slice(at + 1, end).join('\n'),
      note: /^<!-- example: (.*) -->$/.exec(before ?? '')?.[1],
    });
    at = end;
  }
  return examples;
}

/** What a block says that its commands print: its comments that begin at the start of a line. */
export function expectedOutput({ text }: PageExample): string[] {
  return text.split('\n').flatMap((line) => (line.startsWith('# ') ? [line.slice(2)] : []));
}

/**
 * Compares an output with what a page shows of it: without spaces, and `...` stands for anything.
 * @returns the first part that the output does not have, after those before it
 */
export function missingPart(output: string, shown: string): string | undefined {
  const plain = (value: string) => value.replaceAll(/\s|\\/g, '');
  const all = plain(output);
  let from = 0;
  for (const part of shown.split('...').map(plain)) {
    const at = all.indexOf(part, from);
    if (at < 0) return part;
    from = at + part.length;
  }
  return undefined;
}
