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
      /** The scalar as written in the file, when variables were substituted: the text that may be printed. */
      readonly template: string | null;
    }
  | { readonly kind: 'environment'; readonly variable: string }
  | { readonly kind: 'overlay' };

/** An error at a path, before the path's position in the file is known. */
export interface Problem {
  readonly path: ConfigPath;
  readonly message: string;
  /** True when the key is wrong, not its value. */
  readonly onKey?: boolean;
  /** The position, when it is not that of the path's value. */
  readonly position?: FilePosition;
}

/** The origin of every value of the configuration. */
export class Origins {
  readonly #byPath = new Map<string, Origin>();
  readonly #defaults = new Map<string, Origin>();
  #file: Origins | undefined;

  /** @param readFile returns the origins of the file's values, when one of them is asked for; undefined without a file */
  constructor(private readonly readFile?: () => Origins) {}

  set(path: ConfigPath, origin: Origin): void {
    this.#byPath.set(formatPath(path), origin);
  }

  /** Sets the origin of a value that has no other. */
  setDefault(path: ConfigPath, origin: Origin): void {
    this.#defaults.set(formatPath(path), origin);
  }

  get(path: ConfigPath): Origin | undefined {
    const text = formatPath(path);
    const own = this.#byPath.get(text);
    if (own) return own;
    this.#file ??= this.readFile?.();
    return this.#file?.get(path) ?? this.#defaults.get(text);
  }

  /** The problem with its position: that of the path, or of the nearest enclosing value when the key is missing. */
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
      if (origin.kind === 'overlay') return { ...issue, file: null, line: null, column: null };
      const onKey = problem.onKey === true && length === problem.path.length;
      return { ...issue, ...(onKey && origin.key !== null ? origin.key : origin.value) };
    }
    return { ...issue, line: null, column: null };
  }

  /** The printable text of a value: with `${NAME}` as written in the file, never the content of the variable. */
  show(path: ConfigPath, value: string): string {
    const origin = this.get(path);
    return quote(origin?.kind === 'file' && origin.template !== null ? origin.template : value);
  }
}
