import type { Output } from './output.ts';

/** The last line of a terminal, which shows how far a command is. */
export interface ProgressLine {
  show(text: string): void;
  clear(): void;
}

/** @returns a line that shows nothing where standard error is not a terminal */
export function progressLine({ status }: Output): ProgressLine {
  return {
    show: (text) => status?.(`\r\x1b[2K${text}`),
    clear: () => status?.('\r\x1b[2K'),
  };
}
