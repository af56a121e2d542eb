import { describe, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { checkLanguage, languageFindings } from './language.mjs';

const rules = JSON.parse(readFileSync(new URL('language.json', import.meta.url), 'utf8'));
const found = (file, text) => languageFindings(file, text, rules).map((finding) => finding.found);

describe('retired identifiers', () => {
  test('are found with their line and replacement', () => {
    const text = "import { a } from './a.ts';\nconst room = new WaitingRoom(a);\n";
    expect(languageFindings('src/x.ts', text, rules)).toEqual([
      { line: 2, found: 'WaitingRoom', use: 'AdmissionQueue' },
    ]);
  });

  test('are found in pages and comments too', () => {
    expect(found('docs/x.md', 'The class `HttpReply`.')).toEqual(['HttpReply']);
    expect(found('src/x.ts', '/** See onTrouble. */')).toEqual(['onTrouble']);
  });

  test('match whole identifiers only', () => {
    expect(found('src/x.ts', 'const onTroubleshoot = myHttpReply;')).toEqual([]);
  });

  test('that are English words are found where code declares or uses them', () => {
    expect(found('src/x.ts', 'export class Ticket {}')).toEqual(['Ticket']);
    expect(found('src/x.ts', 'tiers = plan.unfold(0);')).toEqual(['unfold']);
    expect(found('src/x.ts', '// A Ticket of the issue tracker. Demand is high.')).toEqual([]);
  });
});

describe('retired phrases', () => {
  test('are found in comments, strings and pages', () => {
    expect(found('src/x.ts', '// It reloads by itself.')).toEqual(['by itself']);
    expect(found('src/x.ts', "log('the client is told');")).toEqual(['is told']);
    expect(found('docs/x.md', 'Whoever sends it waits.')).toEqual(['Whoever']);
  });

  test('are found across line breaks, with the line of their beginning', () => {
    const comment = '/**\n * The file is read by\n * itself.\n */';
    expect(languageFindings('src/x.ts', comment, rules)).toMatchObject([{ line: 2, found: 'by * itself' }]);
    expect(found('src/x.ts', "'reloads by ' +\n  'itself'")).toHaveLength(1);
    expect(found('docs/x.md', 'It reloads by\nitself.')).toEqual(['by itself']);
  });

  test('are not found in code of a page, nor within other words', () => {
    expect(found('docs/x.md', '`by itself`\n```\nby itself\n```\n')).toEqual([]);
    expect(found('src/x.ts', '// The told-you-so of nobodyelse; overlook on')).toEqual([]);
  });

  test('have exceptions, and some hold for pages only', () => {
    expect(found('src/x.ts', '// The request is well-formed.')).toEqual([]);
    expect(found('src/x.ts', '// The engine is well.')).toEqual(['is well']);
    expect(found('src/x.ts', 'const answer = 1;')).toEqual([]);
    expect(found('docs/x.md', 'The answer comes.')).toEqual(['answer']);
  });
});

test('a planted identifier and phrase fail the check of a checkout', () => {
  const root = mkdtempSync(join(tmpdir(), 'weir-language-'));
  try {
    const write = (path, text) => {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    };
    write('src/good.ts', 'export const good = 1;\n');
    write('docs/good.md', '# Good\n');
    expect(checkLanguage(root, rules)).toEqual({ files: 2, findings: [] });
    write('src/http/bad.ts', '// first\nexport class Door {}\n');
    write('docs/bad.md', 'Nobody reads this.\n');
    write('node_modules/other/index.js', 'class WaitingRoom {}\n');
    expect(checkLanguage(root, rules).findings).toMatchObject([
      { file: 'docs/bad.md', line: 1, found: 'Nobody' },
      { file: 'src/http/bad.ts', line: 2, found: 'Door', use: 'HttpRouter' },
    ]);
  } finally {
    rmSync(root, { recursive: true });
  }
});
