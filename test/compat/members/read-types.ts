import { createRequire } from 'node:module';
import { join } from 'node:path';
import { getLibFiles, ts } from '@ts-morph/common';
import type { Member, Shape } from './shape.ts';

/** Where a vendor's package declares a type. */
export interface TypeName {
  /** Declaration file, as a path inside `node_modules`. */
  readonly file: string;
  /** Name of an exported type. */
  readonly type: string;
  /** The package's types have names in camel case; the wire has snake case. */
  readonly snakeCase?: boolean;
}

const ROOT = join(createRequire(import.meta.url).resolve('openai/package.json'), '../..');

/**
 * Reads published types.
 * @returns their shapes, in the order of the names
 * @throws Error for a file or type that the installed package lacks
 */
export function readTypes(names: readonly TypeName[]): Shape[] {
  const files = [...new Set(names.map(({ file }) => join(ROOT, file)))];
  const program = ts.createProgram(files, OPTIONS, hostWithLibraries());
  const checker = program.getTypeChecker();
  const readers = { true: new TypeReader(checker, true), false: new TypeReader(checker, false) };
  return names.map(({ file, type, snakeCase = false }) => {
    const source = program.getSourceFile(join(ROOT, file));
    const symbol = source && checker.getSymbolAtLocation(source);
    const found = symbol && checker.getExportsOfModule(symbol).find((one) => one.name === type);
    if (!found) throw new Error(`${file} exports no type "${type}"`);
    return readers[`${snakeCase}`].shape(checker.getDeclaredTypeOfSymbol(found));
  });
}

const OPTIONS: ts.CompilerOptions = {
  noEmit: true,
  strict: true,
  skipLibCheck: true,
  target: ts.ScriptTarget.ES2022,
  lib: ['lib.es2022.d.ts'],
  types: [],
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
};

/** The compiler's package has the declarations of the language as texts, not as files. */
function hostWithLibraries(): ts.CompilerHost {
  const host = ts.createCompilerHost(OPTIONS);
  const folder = host.getDefaultLibLocation?.() ?? '';
  const libraries = new Map(getLibFiles().map(({ fileName, text }) => [join(folder, fileName), text]));
  return {
    ...host,
    fileExists: (name) => libraries.has(name) || host.fileExists(name),
    getSourceFile(name, options, ...rest) {
      const text = libraries.get(name);
      if (text !== undefined) return ts.createSourceFile(name, text, options);
      return host.getSourceFile(name, options, ...rest);
    },
  };
}

/** Types of JavaScript that have a JSON form of their own. */
const TEXT_TYPES: ReadonlySet<string> = new Set(['Date', 'Uint8Array', 'Blob', 'Buffer', 'ReadableStream']);

class TypeReader {
  readonly #known = new Map<ts.Type, Shape>();
  #count = 0;

  constructor(
    private readonly checker: ts.TypeChecker,
    private readonly snakeCase: boolean,
  ) {}

  shape(type: ts.Type): Shape {
    const known = this.#known.get(type);
    if (known) return known;
    // A type that contains itself without an object between, such as any JSON value.
    this.#known.set(type, { kind: 'any' });
    const made = this.#read(type);
    this.#known.set(type, made);
    return made;
  }

  #read(type: ts.Type): Shape {
    const { flags } = type;
    if (type.isUnion()) return this.#union(type.types);
    if (type.isStringLiteral() || type.isNumberLiteral()) return { kind: 'literal', values: [type.value] };
    if (flags & ts.TypeFlags.BooleanLiteral) {
      return { kind: 'literal', values: [this.checker.typeToString(type) === 'true'] };
    }
    if (flags & ts.TypeFlags.StringLike) return { kind: 'text' };
    if (flags & (ts.TypeFlags.NumberLike | ts.TypeFlags.BigIntLike)) return { kind: 'number' };
    if (flags & ts.TypeFlags.BooleanLike) return { kind: 'boolean' };
    if (flags & (ts.TypeFlags.Null | ts.TypeFlags.Undefined | ts.TypeFlags.Void)) return { kind: 'null' };
    if (TEXT_TYPES.has(type.symbol?.name)) return { kind: 'text' };
    if (this.checker.isArrayLikeType(type)) {
      const [of] = this.checker.getTypeArguments(type as ts.TypeReference);
      return { kind: 'list', of: of ? this.shape(of) : { kind: 'any' } };
    }
    // Texts with a brand, and `string & {}` beside known texts.
    if (type.isIntersection() && type.types.some((one) => one.flags & ts.TypeFlags.StringLike)) {
      return { kind: 'text' };
    }
    if (!(flags & (ts.TypeFlags.Object | ts.TypeFlags.Intersection))) return { kind: 'any' };
    return this.#object(type);
  }

  #object(type: ts.Type): Shape {
    const properties = type.getProperties();
    const index = this.checker.getIndexInfosOfType(type)[0];
    if (properties.length === 0) {
      const of = index ? this.shape(index.type) : undefined;
      return of && of.kind !== 'any' ? { kind: 'record', of } : { kind: 'any' };
    }
    this.#count += 1;
    let members: readonly Member[] | undefined;
    return {
      kind: 'object',
      type: {
        id: this.#count,
        members: () => {
          members ??= properties.flatMap((property) => this.#member(property));
          return members;
        },
      },
    };
  }

  #member(property: ts.Symbol): Member[] {
    const type = this.checker.getTypeOfSymbol(property);
    // Methods, and accessors that a package adds to the data.
    if (type.getCallSignatures().length > 0 || property.flags & ts.SymbolFlags.Accessor) return [];
    const given = this.checker.getNonNullableType(type);
    // Tagged unions list the other tags as `never`.
    if (given.flags & ts.TypeFlags.Never || /^[$_]/.test(property.name)) return [];
    const shape = this.shape(given);
    if (isNothing(shape)) return [];
    const optional = (property.flags & ts.SymbolFlags.Optional) !== 0 || isNullish(type);
    return [{ name: this.snakeCase ? snake(property.name) : property.name, optional, shape }];
  }

  #union(types: readonly ts.Type[]): Shape {
    const values: (string | number | boolean)[] = [];
    const others: Shape[] = [];
    for (const shape of types.map((type) => this.shape(type))) {
      if (shape.kind === 'null') continue;
      if (shape.kind === 'literal') values.push(...shape.values);
      else if (
        !others.some((one) => one.kind === shape.kind && one.kind !== 'object' && one.kind !== 'list')
      ) {
        others.push(shape);
      }
    }
    if (values.length === 2 && values.every((value) => typeof value === 'boolean')) {
      others.push({ kind: 'boolean' });
    } else if (values.length > 0) others.unshift({ kind: 'literal', values });
    const [only] = others;
    if (!only) return { kind: 'null' };
    return others.length === 1 ? only : { kind: 'choice', of: others };
  }
}

function isNothing(shape: Shape): boolean {
  return shape.kind === 'null';
}

function isNullish(type: ts.Type): boolean {
  const nothing = ts.TypeFlags.Null | ts.TypeFlags.Undefined;
  return type.isUnion() && type.types.some(({ flags }) => flags & nothing);
}

function snake(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
