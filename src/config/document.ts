import { type Alias, isAlias, isMap, isScalar, type Pair, type ParsedNode, type Scalar } from 'yaml';
import { type ConfigDocument, type ConfigMap, emptyDocument } from './config-document.ts';
import { type Environment, interpolate } from './interpolate.ts';
import { type FilePosition, Origins, type Problem } from './origins.ts';
import { type ConfigPath, formatPath, quote } from './path.ts';
import { readPlainYaml } from './plain-yaml.ts';
import { MAX_DEPTH, parseYaml, type YamlSyntax } from './yaml-syntax.ts';

/** Values that aliases may repeat in total: enough for shared sections, too few to exhaust memory. */
const MAX_ALIASED = 10_000;
/** `010` is 8 to some YAML readers and 10 to others. */
const AMBIGUOUS_NUMBER = /^[-+]?0[\dox]/;

/**
 * Reads one YAML document: its values, their positions, and all errors in it. Most files are read without the YAML
 * parser, which then finds the positions when an error or warning needs them.
 */
export function readDocument(text: string, env: Environment): ConfigDocument {
  const root = readPlainYaml(text, env);
  if (!root) return parseDocument(text, env);
  const origins = new Origins(() => parseDocument(text, env).origins);
  return { root, origins, problems: [], unreadable: new Set(), broken: false };
}

/**
 * Reads one YAML document with the YAML parser.
 *
 * The library's own conversion (`toJS`) is not used: it loses the paths that messages need, and it reports a cycle or an
 * explosion of aliases without a position. Positions are the ranges of its nodes, converted by its `LineCounter`.
 */
export function parseDocument(text: string, env: Environment): ConfigDocument {
  const syntax = parseYaml(text);
  if (syntax.problems.length > 0) {
    return { ...emptyDocument(), problems: syntax.problems, broken: true };
  }
  return new DocumentReader(syntax, env).read();
}

class DocumentReader {
  readonly #origins = new Origins();
  readonly #problems: Problem[] = [];
  readonly #unreadable = new Set<string>();
  /** The latest node of each anchor name, in the order of the file. */
  readonly #anchors = new Map<string, ParsedNode>();
  /** The node of each alias at its first position, for when it is reached again through another alias. */
  readonly #meaning = new Map<Alias, ParsedNode | undefined>();
  readonly #open = new Set<ParsedNode>();
  #aliasDepth = 0;
  #aliased = 0;

  constructor(
    private readonly syntax: YamlSyntax,
    private readonly env: Environment,
  ) {}

  read(): ConfigDocument {
    const root = this.syntax.root === null ? null : this.#node(this.syntax.root, [], null);
    return {
      root,
      origins: this.#origins,
      problems: this.#problems,
      unreadable: this.#unreadable,
      broken: false,
    };
  }

  #node(node: ParsedNode, path: ConfigPath, key: FilePosition | null): unknown {
    const value = this.syntax.positionAt(node.range[0]);
    this.#origins.set(path, { kind: 'file', value, key, template: null });
    if (isAlias(node)) return this.#alias(node, path, key);
    if (this.#aliasDepth === 0 && node.anchor !== undefined) this.#anchors.set(node.anchor, node);
    if (this.#aliasDepth > 0 && ++this.#aliased > MAX_ALIASED) {
      // Reported once; the remaining values are skipped.
      const reported = this.#aliased > MAX_ALIASED + 1;
      return this.#refuse(path, ...(reported ? [] : [`aliases repeat more than ${MAX_ALIASED} values`]));
    }
    if (path.length > MAX_DEPTH) return this.#refuse(path, `nested more than ${MAX_DEPTH} levels deep`);
    if (isScalar(node)) return this.#scalar(node, path, value, key);
    this.#open.add(node);
    const read = isMap(node)
      ? this.#map(node.items, path)
      : node.items.map((item, index) => this.#node(item, [...path, index], null));
    this.#open.delete(node);
    return read;
  }

  #map(pairs: readonly Pair<ParsedNode, ParsedNode | null>[], path: ConfigPath): ConfigMap {
    const map: ConfigMap = Object.create(null);
    const firstLines = new Map<string, number>();
    for (const { key: keyNode, value } of pairs) {
      const position = this.syntax.positionAt(keyNode.range[0]);
      const key = isScalar(keyNode) ? keyNode.source : undefined;
      const fault = key === undefined ? 'a key must be plain text' : forbiddenKey(key, keyNode);
      if (key === undefined || fault !== null) {
        this.#problems.push({
          path: key === undefined ? path : [...path, key],
          message: fault ?? '',
          position,
        });
        continue;
      }
      const keyPath = [...path, key];
      const firstLine = firstLines.get(key);
      if (firstLine !== undefined) {
        const message = `duplicate key ${quote(key)}; line ${firstLine} already has it`;
        this.#problems.push({ path: keyPath, message, position });
        continue;
      }
      firstLines.set(key, position.line);
      if (value === null) {
        this.#origins.set(keyPath, { kind: 'file', value: position, key: position, template: null });
        map[key] = null;
      } else {
        map[key] = this.#node(value, keyPath, position);
      }
    }
    return map;
  }

  #scalar(node: Scalar, path: ConfigPath, value: FilePosition, key: FilePosition | null): unknown {
    if (typeof node.value === 'number' && AMBIGUOUS_NUMBER.test(node.source ?? '')) {
      const message = 'an octal or hexadecimal number; write it in decimal, or in quotes if it is text';
      return this.#refuse(path, message);
    }
    if (typeof node.value !== 'string') return node.value;
    const { text, substituted, problems } = interpolate(node.value, this.env);
    if (problems.length > 0) return this.#refuse(path, ...problems);
    if (substituted) this.#origins.set(path, { kind: 'file', value, key, template: node.value });
    return text;
  }

  #alias(alias: Alias, path: ConfigPath, key: FilePosition | null): unknown {
    const meaning = this.#meaning.has(alias) ? this.#meaning.get(alias) : this.#anchors.get(alias.source);
    this.#meaning.set(alias, meaning);
    if (meaning === undefined)
      return this.#refuse(path, `no anchor &${alias.source} comes before this alias`);
    if (this.#open.has(meaning)) return this.#refuse(path, `the alias *${alias.source} contains itself`);
    this.#aliasDepth++;
    const value = this.#node(meaning, path, key);
    this.#aliasDepth--;
    return value;
  }

  #refuse(path: ConfigPath, ...messages: readonly string[]): undefined {
    for (const message of messages) this.#problems.push({ path, message });
    this.#unreadable.add(formatPath(path));
    return undefined;
  }
}

function forbiddenKey(key: string, node: ParsedNode): string | null {
  if (key === '__proto__') return 'unknown key "__proto__"';
  if (key === '<<' && isScalar(node) && node.type === 'PLAIN') {
    return 'merge keys (<<) are not supported; write the keys out';
  }
  return null;
}
