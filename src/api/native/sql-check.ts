import { asString, isRecord } from '../../core/json.ts';
import { type SourceText, StepLimitError, SteppedText } from './stepped-text.ts';

/** The parser's names of SQL dialects, by common name. */
const DIALECTS = {
  postgresql: 'postgresql',
  postgres: 'postgresql',
  mysql: 'mysql',
  mariadb: 'mariadb',
  sqlite: 'sqlite',
  bigquery: 'bigquery',
  snowflake: 'snowflake',
  redshift: 'redshift',
  trino: 'trino',
  athena: 'athena',
  hive: 'hive',
  db2: 'db2',
  tsql: 'transactsql',
  transactsql: 'transactsql',
  sqlserver: 'transactsql',
} as const;

export type SqlDialect = keyof typeof DIALECTS;
export const SQL_DIALECTS = Object.keys(DIALECTS);

export function isSqlDialect(name: string): name is SqlDialect {
  return Object.hasOwn(DIALECTS, name);
}

/** Result of checking a model's output for one SQL statement. */
export interface SqlVerdict {
  /** The statement; null where there is none, or where it may not be run. */
  readonly statement: string | null;
  readonly valid: boolean;
  /** It is no statement that only reads, and only such were wanted. */
  readonly refused: boolean;
  readonly error?: { readonly message: string; readonly line?: number; readonly column?: number };
  readonly dialect: SqlDialect;
  readonly read_only: boolean;
  /** Such as `select`. */
  readonly statement_types: readonly string[];
  readonly tables: readonly string[];
}

export interface SqlChecker {
  /** @param answer the model's output */
  check(answer: string, dialect: SqlDialect, readOnly: boolean): SqlVerdict;
  /** Whether a schema is understood; models get it either way. */
  parses(ddl: string, dialect: SqlDialect): boolean;
}

/** Characters of a statement that is checked. */
const MAX_STATEMENT = 50_000;
/** Reads of the text by the parser, about 3,000 for each ms. A statement of a page takes 15,000. */
const MAX_STEPS = 300_000;

/** The parser's methods that are used, on a text that limits their time. */
interface SqlParser {
  parse(
    sql: SourceText,
    options: { readonly database: string },
  ): { readonly ast: unknown; readonly tableList: readonly string[] };
  astify(sql: SourceText, options: { readonly database: string }): unknown;
}

/** The parser is large, so it is read when it is first needed. */
export async function loadSqlChecker(): Promise<SqlChecker> {
  const { default: library } = await import('node-sql-parser');
  return new ParserChecker(new library.Parser());
}

const FENCE = /```[ \t]*(?:\w+[ \t]*)?\r?\n([\s\S]*?)```/;
/** Statements that only read, by the parser's names. */
const READS: ReadonlySet<string> = new Set(['select', 'show', 'desc', 'describe', 'explain']);
/** MySQL executes the text of these comments, which the parser ignores. */
const RUNNABLE_COMMENT = /\/\*M?!/i;
/** Functions with effects beyond reading, in common databases. The database's own permissions are the real guard. */
const EFFECTS =
  /^(?:nextval|setval|set_config|pg_(?:sleep|terminate_backend|cancel_backend|reload_conf|rotate_logfile|read_(?:binary_)?file|ls_dir|advisory_lock.*|notify)|lo_(?:import|export|unlink|create|put)|dblink.*|query_to_xml.*|sleep|benchmark|load_file|get_lock|load_extension|writefile|readfile|openrowset|opendatasource|openquery|xp_\w+|sp_\w+)$/i;

class ParserChecker implements SqlChecker {
  constructor(private readonly parser: SqlParser) {}

  parses(ddl: string, dialect: SqlDialect): boolean {
    try {
      this.parser.astify(new SteppedText(ddl, MAX_STEPS), { database: DIALECTS[dialect] });
      return true;
    } catch {
      return false;
    }
  }

  check(answer: string, dialect: SqlDialect, readOnly: boolean): SqlVerdict {
    const statement = (FENCE.exec(answer)?.[1] ?? answer).trim();
    const common = { dialect, read_only: readOnly };
    const none = { statement_types: [], tables: [] };
    if (statement === '') {
      const error = { message: 'The answer holds no SQL.' };
      return { statement: null, valid: false, refused: false, error, ...common, ...none };
    }
    let parsed: { readonly ast: unknown; readonly tableList: readonly string[] };
    try {
      if (statement.length > MAX_STATEMENT) throw new StepLimitError();
      const text = new SteppedText(statement, MAX_STEPS);
      parsed = this.parser.parse(text, { database: DIALECTS[dialect] });
    } catch (thrown) {
      const error = thrown instanceof StepLimitError ? TOO_COMPLEX : syntaxError(thrown);
      if (!readOnly) return { statement, valid: false, refused: false, error, ...common, ...none };
      // An unparsed statement cannot be proven read-only.
      return { statement: null, valid: false, refused: true, error, ...common, ...none };
    }
    const statements: unknown[] = Array.isArray(parsed.ast) ? parsed.ast : [parsed.ast];
    const found = {
      statement_types: statements.map((one) =>
        isRecord(one) ? (asString(one.type) ?? 'unknown') : 'unknown',
      ),
      tables: [...new Set(parsed.tableList.map((entry) => entry.split('::').at(-1) ?? entry))],
    };
    const reason = readOnly ? readOnlyViolation(statement, statements, parsed.tableList) : undefined;
    if (reason === undefined) return { statement, valid: true, refused: false, ...common, ...found };
    const error = { message: `read_only is on, and ${reason}.` };
    return { statement: null, valid: false, refused: true, error, ...common, ...found };
  }
}

const TOO_COMPLEX: NonNullable<SqlVerdict['error']> = {
  message: `The statement is too long or too complex to be checked: at most ${MAX_STATEMENT} characters and ${MAX_STEPS} steps of the parser are allowed.`,
};

function syntaxError(thrown: unknown): NonNullable<SqlVerdict['error']> {
  const message = thrown instanceof Error ? thrown.message : 'The statement could not be parsed.';
  const location = isRecord(thrown) && isRecord(thrown.location) ? thrown.location : {};
  const start = isRecord(location.start) ? location.start : {};
  return {
    message: message.slice(0, 500),
    ...(typeof start.line === 'number' ? { line: start.line } : {}),
    ...(typeof start.column === 'number' ? { column: start.column } : {}),
  };
}

function readOnlyViolation(
  text: string,
  statements: readonly unknown[],
  tableList: readonly string[],
): string | undefined {
  if (statements.length !== 1) return `there are ${statements.length} statements`;
  if (RUNNABLE_COMMENT.test(text)) return 'a comment in it would be run';
  const writes = tableList.find((entry) => !/^(?:select|show|desc|describe|explain)::/i.test(entry));
  if (writes !== undefined) return `it would ${writes.split('::')[0]?.toLowerCase()} data`;
  return findWrite(statements[0]);
}

/**
 * Searches the whole tree: common table expressions, subqueries, INTO and functions can write. A list of nodes instead of
 * recursion, because a tree is as deep as a sum has terms.
 */
function findWrite(statement: unknown): string | undefined {
  const type = (isRecord(statement) ? asString(statement.type) : undefined) ?? 'unknown';
  if (!READS.has(type)) return `it is a statement of type "${type}"`;
  const open: unknown[] = [statement];
  while (open.length > 0) {
    const node = open.pop();
    if (typeof node !== 'object' || node === null) continue;
    const reason = isRecord(node) ? writeIn(node) : undefined;
    if (reason !== undefined) return reason;
    for (const child of Object.values(node).reverse()) open.push(child);
  }
  return undefined;
}

function writeIn(node: Readonly<Record<string, unknown>>): string | undefined {
  if (isRecord(node.into) && node.into.position) return 'its INTO would write';
  if (node.locking_read) return 'it would lock rows';
  if (node.type !== 'function') return undefined;
  const name = functionName(node.name);
  return EFFECTS.test(name) ? `the function ${name} does more than read` : undefined;
}

/** A name is text, or a list of quoted pieces of which the last counts. */
function functionName(name: unknown): string {
  if (typeof name === 'string') return name.split('.').at(-1) ?? name;
  const pieces: unknown = isRecord(name) ? name.name : undefined;
  const last: unknown = Array.isArray(pieces) ? pieces.at(-1) : undefined;
  return (isRecord(last) ? asString(last.value) : undefined) ?? '';
}
