import { beforeAll, describe, expect, test } from 'bun:test';
import { isSqlDialect, loadSqlChecker, type SqlChecker, type SqlDialect } from './sql-check.ts';

let checker: SqlChecker;
beforeAll(async () => {
  checker = await loadSqlChecker();
});

describe('what only reads', () => {
  test.each<[SqlDialect, string]>([
    ['postgresql', 'SELECT a, count(*) FROM t WHERE b = 1 GROUP BY a'],
    ['postgresql', 'WITH x AS (SELECT 1 AS a) SELECT * FROM x'],
    ['mysql', 'SELECT `a` FROM `t` LIMIT 3;'],
    ['sqlite', 'SELECT a FROM t'],
    ['bigquery', 'SELECT a FROM `p.d.t`'],
    ['snowflake', 'SELECT a FROM t'],
    ['tsql', 'SELECT TOP 3 [a] FROM [t]'],
  ])('%s: %s', (dialect, sql) => {
    for (const answer of [sql, `Here it is:\n\`\`\`sql\n${sql}\n\`\`\`\nEnjoy.`]) {
      expect(checker.check(answer, dialect, true)).toMatchObject({
        statement: sql,
        valid: true,
        refused: false,
      });
    }
  });
});

describe('what writes is refused, and not repeated', () => {
  test.each<[SqlDialect, string]>([
    ['postgresql', 'DELETE FROM t'],
    ['postgresql', 'SELECT 1; DROP TABLE t'],
    ['postgresql', 'WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x'],
    ['postgresql', 'WITH x AS (UPDATE t SET a = 1 RETURNING a) SELECT * FROM x'],
    ['postgresql', 'SELECT * INTO n FROM t'],
    ['postgresql', "SELECT * FROM (SELECT nextval('s')) x"],
    ['postgresql', "SELECT pg_catalog.set_config('a', 'b', false)"],
    ['postgresql', 'SET x = 1'],
    ['postgresql', 'CALL f()'],
    ['postgresql', "COPY t TO PROGRAM 'x'"],
    ['mysql', 'SELECT 1 /*! UNION DELETE FROM t */'],
    ['mysql', "SELECT a INTO OUTFILE '/tmp/x' FROM t"],
    ['mysql', 'SELECT sleep(9)'],
    ['mysql', 'REPLACE INTO t VALUES (1)'],
    ['mysql', 'TRUNCATE TABLE t'],
    ['sqlite', 'PRAGMA writable_schema = 1'],
    ['sqlite', "ATTACH DATABASE 'x' AS y"],
    ['tsql', "EXEC xp_cmdshell 'dir'"],
  ])('%s: %s', (dialect, sql) => {
    const verdict = checker.check(sql, dialect, true);
    expect(verdict).toMatchObject({ statement: null, valid: false, refused: true });
    expect(verdict.error?.message).not.toBe('');
  });
});

test('with writing allowed, what parses is valid, and what does not says where', () => {
  expect(checker.check('DELETE FROM t', 'postgresql', false)).toMatchObject({
    statement: 'DELETE FROM t',
    valid: true,
    statement_types: ['delete'],
    tables: ['t'],
  });
  expect(checker.check('SELEC 1', 'postgresql', false)).toMatchObject({
    statement: 'SELEC 1',
    valid: false,
    refused: false,
    error: { line: 1, column: 7 },
  });
  expect(checker.check(' ', 'postgresql', false)).toMatchObject({ statement: null, valid: false });
});

test('schemas and dialects', () => {
  expect(checker.parses('CREATE TABLE t (a int primary key)', 'postgresql')).toBe(true);
  expect(checker.parses('CREATE TABEL', 'postgresql')).toBe(false);
  expect(isSqlDialect('constructor')).toBe(false);
});

describe('statements that would take long to parse are not checked', () => {
  const TERMS = 60_000;
  test.each<[string, SqlDialect, string]>([
    ['parentheses that do not close', 'postgresql', `SELECT ${'('.repeat(30)}1`],
    ['parentheses around a fault', 'redshift', `SELECT ${'('.repeat(30)}1 +${')'.repeat(30)}`],
    ['a sum of many terms', 'mysql', `SELECT ${Array(TERMS).fill('1').join('+')}`],
    [
      'a sum of fewer terms',
      'snowflake',
      `SELECT ${Array(TERMS / 6)
        .fill('1')
        .join('+')}`,
    ],
    ['deep parentheses', 'sqlite', `SELECT ${'('.repeat(20_000)}1${')'.repeat(20_000)}`],
    ['many columns', 'bigquery', `SELECT ${Array(20_000).fill('a').join(',')} FROM t`],
  ])('%s', (_, dialect, statement) => {
    for (const readOnly of [true, false]) {
      const start = process.cpuUsage();
      const verdict = checker.check(statement, dialect, readOnly);
      const { user, system } = process.cpuUsage(start);
      expect(verdict).toMatchObject({ valid: false, refused: readOnly });
      expect(verdict.statement).toBe(readOnly ? null : statement);
      expect(verdict.error?.message).not.toBe('');
      expect((user + system) / 1_000).toBeLessThan(1_500);
    }
  });

  test('the limits leave room for a long statement', () => {
    const columns = Array.from({ length: 200 }, (_, index) => `t.column_${index}`).join(', ');
    const where = Array.from({ length: 100 }, (_, index) => `t.column_${index} > ${index}`).join(' AND ');
    for (const dialect of ['postgresql', 'mysql', 'tsql', 'snowflake'] as const) {
      expect(checker.check(`SELECT ${columns} FROM t WHERE ${where}`, dialect, true)).toMatchObject({
        valid: true,
      });
    }
  });

  test('what writes is found deep in a statement', () => {
    const sum = Array(1_000).fill('1').join('+');
    expect(checker.check(`SELECT nextval('s') + ${sum}`, 'postgresql', true)).toMatchObject({
      refused: true,
    });
  });

  test('white space behind a fence is skipped once', () => {
    const answer = `\`\`\`${' '.repeat(200_000)}x\n SELECT 1`;
    expect(checker.check(answer, 'postgresql', true)).toMatchObject({ valid: false });
  });
});
