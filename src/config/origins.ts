import type { ConfigIssue } from './errors.ts';
import { type ConfigPath, formatPath, quote } from './path.ts';

/** Places of the items of a list in the file; undefined for items that are not in it. */
type Places = readonly (number | undefined)[];

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
  /** Lists at the top whose items are not where the file has them. */
  readonly #moved = new Map<string, Places>();
  /** Paths of the file that contain others. */
  #parents: ReadonlySet<string> | undefined;
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

  /** Records where the file has the items of a list, after others were added or left out. */
  setPlaces(section: string, places: Places): void {
    this.#moved.set(section, places);
  }

  get(path: ConfigPath): Origin | undefined {
    const own = this.#byPath.get(formatPath(path));
    const inFile = this.#placeOf(path);
    // Without a reader, the origins of the file are the own ones.
    if (own && (own.kind !== 'file' || inFile === path)) return own;
    if (inFile === undefined) return undefined;
    this.#file ??= this.readFile?.();
    return (
      this.#file?.get(inFile) ?? this.#byPath.get(formatPath(inFile)) ?? this.#defaults.get(formatPath(path))
    );
  }

  /**
   * The origin of a value of the complete configuration: its own, or that of the value around it, of which it is a part.
   * @returns undefined for defaults
   */
  sourceOf(path: ConfigPath): Origin | undefined {
    for (let length = 1; length <= path.length; length++) {
      const origin = this.#byPath.get(formatPath(path.slice(0, length)));
      if (origin && origin.kind !== 'file') return origin;
    }
    for (let length = path.length; length > 0; length--) {
      const origin = this.get(path.slice(0, length));
      if (origin === undefined) continue;
      // In a map of the file, members that the file does not have are defaults. A short form is written as one value.
      return length === path.length || !this.#isParent(path.slice(0, length)) ? origin : undefined;
    }
    return undefined;
  }

  /** The place of a path in the file; undefined for an item that is not in it. */
  #placeOf(path: ConfigPath): ConfigPath | undefined {
    const [section, index] = path;
    const places = typeof section === 'string' ? this.#moved.get(section) : undefined;
    if (!places || section === undefined || typeof index !== 'number') return path;
    const place = places[index];
    return place === undefined ? undefined : place === index ? path : [section, place, ...path.slice(2)];
  }

  #isParent(path: ConfigPath): boolean {
    this.#parents ??= parentsOf([...this.#byPath.keys(), ...this.#defaults.keys(), ...this.#pathsOfFile()]);
    const place = this.#placeOf(path);
    return place !== undefined && this.#parents.has(formatPath(place));
  }

  #pathsOfFile(): Iterable<string> {
    this.#file ??= this.readFile?.();
    return this.#file ? this.#file.#byPath.keys() : [];
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

function parentsOf(paths: readonly string[]): ReadonlySet<string> {
  const parents = new Set<string>();
  for (const path of paths) {
    for (let end = path.length - 1; end > 0; end--) {
      if (path[end] === '.' || path[end] === '[') parents.add(path.slice(0, end));
    }
  }
  return parents;
}
