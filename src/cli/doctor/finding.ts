import { type Output, paint } from '../output.ts';

/** The result of one check. */
export interface Finding {
  readonly check: string;
  /** `not_checked`: the check was not possible, so nothing is known. */
  readonly level: 'ok' | 'warning' | 'problem' | 'not_checked';
  readonly message: string;
  /** What to do about it. */
  readonly advice?: string;
}

const MARKS = {
  ok: { text: 'ok', colour: 'green' },
  warning: { text: 'warn', colour: 'yellow' },
  problem: { text: 'FAIL', colour: 'red' },
  not_checked: { text: '?', colour: 'dim' },
} as const;

/** Width of the marks, the names of the checks and the spaces between. */
const INDENT = ' '.repeat(29);

export function printFinding(output: Output, { check, level, message, advice }: Finding): void {
  const { text, colour } = MARKS[level];
  const shown = level === 'not_checked' ? `not checked: ${message}` : message;
  output.out(
    `${paint(output, colour, text)}${' '.repeat(4 - text.length)}  ${check.padEnd(22)} ${shown.replaceAll('\n', `\n${INDENT}`)}`,
  );
  if (advice) output.out(`${INDENT}${paint(output, 'dim', `-> ${advice}`)}`);
}

/** `0 problems, 1 warning, 2 not checked.` */
export function countFindings(findings: readonly Finding[]): string {
  const count = (level: Finding['level']) => findings.filter((finding) => finding.level === level).length;
  const plural = (number: number, noun: string) => `${number} ${noun}${number === 1 ? '' : 's'}`;
  const unchecked = count('not_checked');
  return `${plural(count('problem'), 'problem')}, ${plural(count('warning'), 'warning')}${
    unchecked === 0 ? '' : `, ${unchecked} not checked`
  }.`;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
