export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

const CONTROL = /\p{Cc}/u;

/** A route's path: `/v1/models/:id{.+}` has the parameter `id`, which matches any text; `:name` alone matches no slash. */
export class PathPattern {
  readonly hasParameters: boolean;
  readonly #expression: RegExp;

  constructor(
    readonly method: Method,
    path: string,
  ) {
    this.hasParameters = path.includes(':');
    const source = path
      .replaceAll(/[.*+?^$()|[\]\\](?![^{]*\})/g, '\\$&')
      .replaceAll(
        /:(\w+)(?:\{([^}]*)\})?/g,
        (_, name: string, inner: string | undefined) => `(?<${name}>${inner ?? '[^/]+'})`,
      );
    this.#expression = new RegExp(`^${source}$`);
  }

  /**
   * @returns the parameters of a path, percent-decoded; undefined where the path does not match, or where one has a control
   *   character: no id has any, and databases do not store NUL
   */
  match(path: string): Readonly<Record<string, string>> | undefined {
    const match = this.#expression.exec(path);
    if (!match) return undefined;
    const params: Record<string, string> = {};
    for (const [name, value] of Object.entries(match.groups ?? {})) {
      const text = decoded(value);
      if (CONTROL.test(text)) return undefined;
      params[name] = text;
    }
    return params;
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // Not valid percent-encoding: used as it is.
    return text;
  }
}
