import type { ConfigIssue } from './errors.ts';
import { type ConfigPath, formatPath, quote } from './path.ts';

/** Both from 1. */
export interface FilePosition {
  readonly line: number;
  readonly column: number;
}

export type Origin =
  | {
      readonly kind: 'file';
      readonly value: FilePosition;
      readonly key: FilePosition | null;
      /** The scalar as the file has it, when variables were put into it: what may be printed of it. */
      readonly template: string | null;
    }
  | { readonly kind: 'environment'; readonly variable: string };

/** A fault found at a path, before it is known where in the file that path stands. */
export interface Problem {
  readonly path: ConfigPath;
  readonly message: string;
  /** The key itself is at fault, not its value. */
  readonly onKey?: boolean;
  /** Where it stands, when that is not where the path's value stands. */
  readonly position?: FilePosition;
}

/** Remembers where every value of the configuration came from. */
export class Origins {
  readonly #byPath = new Map<string, Origin>();

  set(path: ConfigPath, origin: Origin): void {
    this.#byPath.set(formatPath(path), origin);
  }

  get(path: ConfigPath): Origin | undefined {
    return this.#byPath.get(formatPath(path));
  }

  /** The problem with its place: that of the path, or of the nearest thing around it (for a missing key). */
  locate(problem: Problem, file: string | null): ConfigIssue {
    const path = formatPath(problem.path);
    const issue = { file, variable: null, path, message: problem.message };
    if (problem.position) return { ...issue, ...problem.position };
    for (let length = problem.path.length; length >= 0; length--) {
      const origin = this.get(problem.path.slice(0, length));
      if (origin === undefined) continue;
      if (origin.kind === 'environment') {
        return { ...issue, file: null, variable: origin.variable, line: null, column: null };
      }
      const onKey = problem.onKey === true && length === problem.path.length;
      return { ...issue, ...(onKey && origin.key !== null ? origin.key : origin.value) };
    }
    return { ...issue, line: null, column: null };
  }

  /** The text to print for a value: with `${NAME}` as it stands in the file, never what the variable holds. */
  show(path: ConfigPath, value: string): string {
    const origin = this.get(path);
    return quote(origin?.kind === 'file' && origin.template !== null ? origin.template : value);
  }
}
