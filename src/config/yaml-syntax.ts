import {
  Composer,
  type CST,
  type Document,
  type ErrorCode,
  Lexer,
  LineCounter,
  type ParsedNode,
  Parser,
} from 'yaml';
import type { FilePosition, Problem } from './origins.ts';

/** Deeper than any real configuration, and far below the depth that exhausts the stack. */
export const MAX_DEPTH = 64;
/** One mistake causes many follow-on errors. */
const MAX_ERRORS = 10;

export interface YamlSyntax {
  /** The root node; null when the document is empty. */
  readonly root: ParsedNode | null;
  /** With problems, `root` is not reliable. */
  readonly problems: readonly Problem[];
  positionAt(offset: number): FilePosition;
}

/** Messages for the parser's error codes. Its own messages may quote the file, and so a secret. */
const MESSAGES: Readonly<Partial<Record<ErrorCode, string>>> = {
  BAD_ALIAS: 'an anchor or alias has no valid name',
  BAD_DIRECTIVE: 'an unknown % directive',
  BAD_DQ_ESCAPE: 'an unknown \\ escape in double quotes (single quotes keep a \\)',
  BAD_INDENT: 'the indentation does not match the lines around it',
  BAD_SCALAR_START: 'text cannot start with this character; put it in quotes',
  BLOCK_AS_IMPLICIT_KEY: 'a second "key: value" on one line; text that holds ": " needs quotes',
  BLOCK_IN_FLOW: 'indented lists and maps cannot stand inside [ ] or { }',
  KEY_OVER_1024_CHARS: 'a key is longer than 1024 characters',
  MISSING_CHAR:
    'something is missing here: a closing quote, bracket or brace, a comma, or the space after ":"',
  MULTILINE_IMPLICIT_KEY: 'a key spans several lines; is a ":" missing?',
  MULTIPLE_DOCS: 'a second YAML document ("---"); only one is read',
  TAB_AS_INDENT: 'a tab is used as indentation; use spaces',
  TAG_RESOLVE_FAILED: 'an unknown !tag; tags are not used here',
  UNEXPECTED_TOKEN: 'unexpected here; is a quote, a comma or the right indentation missing?',
};

/** Parses one YAML 1.2 document without resolving aliases. Never throws for any text. */
export function parseYaml(text: string): YamlSyntax {
  const lines = new LineCounter();
  const positionAt = (offset: number): FilePosition => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const composer = new Composer<ParsedNode>({
    version: '1.2',
    schema: 'core',
    merge: false,
    // Checked by the reader, which knows the path. The parser's own check is quadratic.
    uniqueKeys: false,
    prettyErrors: false,
    logLevel: 'silent',
  });
  const depth: { exceededAt: number | null } = { exceededAt: null };
  let document: Document.Parsed<ParsedNode> | null = null;
  let second: number | null = null;
  for (const next of composer.compose(boundedTokens(text, lines, depth), true, text.length)) {
    if (document !== null) {
      second = next.range[0];
      break;
    }
    document = next;
  }
  if (depth.exceededAt !== null) {
    const message = `nested more than ${MAX_DEPTH} levels deep`;
    return {
      root: null,
      problems: [{ path: [], message, position: positionAt(depth.exceededAt) }],
      positionAt,
    };
  }
  const problems = [...(document?.errors ?? []), ...(document?.warnings ?? [])].map((error) =>
    syntaxProblem(error.code, positionAt(error.pos[0]), text, error.pos[0]),
  );
  if (second !== null) problems.push(syntaxProblem('MULTIPLE_DOCS', positionAt(second), text, second));
  return { root: document?.contents ?? null, problems: onePerLine(problems), positionAt };
}

/** Ends the token stream where the nesting is too deep, before a recursive consumer reads it. */
function* boundedTokens(
  text: string,
  lines: LineCounter,
  depth: { exceededAt: number | null },
): Generator<CST.Token, void> {
  const parser = new Parser(lines.addNewLine);
  lines.addNewLine(0);
  let offset = 0;
  for (const lexeme of new Lexer().lex(text)) {
    yield* parser.next(lexeme);
    if (parser.stack.length > MAX_DEPTH) {
      depth.exceededAt = offset;
      return;
    }
    offset = parser.offset;
  }
  yield* parser.end();
}

function syntaxProblem(code: ErrorCode, position: FilePosition, text: string, offset: number): Problem {
  const message = `not valid YAML: ${MESSAGES[code] ?? 'the syntax is wrong here'}`;
  return { path: [], message: message + interpolationHint(text, offset), position };
}

function interpolationHint(text: string, offset: number): string {
  const start = text.lastIndexOf('\n', offset - 1) + 1;
  const end = text.indexOf('\n', offset);
  return text.slice(start, end === -1 ? undefined : end).includes('${')
    ? ` (inside [ ] or { }, and before ": ", "\${NAME}" needs quotes)`
    : '';
}

function onePerLine(problems: readonly Problem[]): Problem[] {
  const seen = new Set<number>();
  const kept: Problem[] = [];
  const inOrder = problems.toSorted((a, b) => (a.position?.line ?? 0) - (b.position?.line ?? 0));
  for (const problem of inOrder) {
    const line = problem.position?.line ?? 0;
    if (seen.has(line)) continue;
    seen.add(line);
    kept.push(problem);
    if (kept.length === MAX_ERRORS) break;
  }
  return kept;
}
