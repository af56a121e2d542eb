import type { Config } from '../config/schema.ts';

/** Where a command writes, and how its caller reads it. */
export interface Output {
  /** For results. */
  out(text: string): void;
  /** For progress, warnings and errors. */
  err(text: string): void;
  readonly colour: boolean;
  /** Writes text without a line end to standard error; undefined where that is not a terminal. */
  readonly status?: (text: string) => void;
}

/** What commands on the databases get. */
export interface StoreCommand {
  readonly config: Config;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly output: Output;
}

export const EXIT = { ok: 0, failure: 1, usage: 2 } as const;

/** A failure that needs no stack to be understood. */
export class CommandError extends Error {}

export function terminalOutput(env: Readonly<Record<string, string | undefined>>): Output {
  const colour = process.stdout.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb';
  return {
    out: (text) => process.stdout.write(`${text}\n`),
    err: (text) => process.stderr.write(`${text}\n`),
    colour,
    ...(process.stderr.isTTY === true && { status: (text: string) => process.stderr.write(text) }),
  };
}

export function paint(
  output: Output,
  colour: 'green' | 'red' | 'yellow' | 'bold' | 'dim',
  text: string,
): string {
  if (!output.colour) return text;
  const code = { green: 32, red: 31, yellow: 33, bold: 1, dim: 2 }[colour];
  return `\x1b[${code}m${text}\x1b[0m`;
}

/** Left-aligned columns, as wide as their widest cell. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  return [line(head), ...rows.map(line)].join('\n');
}
