import { describe, expect, test } from 'bun:test';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { languageFiles } from './language.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const pages = [...languageFiles(root)].filter((path) => path.endsWith('.md'));
const read = (path) => readFileSync(join(root, path), 'utf8');

/** The anchor that renderers make of a heading. */
const anchorOf = (heading) =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replace(/\s/g, '-');
const anchorsOf = (page) => [...page.matchAll(/^#+ (.*)$/gm)].map(([, heading]) => anchorOf(heading));

test('pages are found', () => {
  expect(pages).toContain('docs/api.md');
  expect(pages.length).toBeGreaterThan(30);
});

test.each(pages)('every link of %s leads to a file and heading of the checkout', (path) => {
  const text = read(path).replace(/^```[\s\S]*?^```/gm, '');
  const broken = [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, link]) => link)
    .filter((link) => !/^https?:/.test(link))
    .filter((link) => {
      const [target = '', anchor] = link.split('#');
      const file = target === '' ? path : relative(root, join(root, dirname(path), target));
      if (!existsSync(join(root, file))) return true;
      return anchor !== undefined && !anchorsOf(read(file)).includes(anchor);
    });
  expect(broken).toEqual([]);
});

test('every path of the checkout that a page names exists', () => {
  // Decision records also name files of their time.
  const current = pages.filter((path) => !path.startsWith('docs/decisions/'));
  const missing = current.flatMap((path) =>
    [...read(path).matchAll(/`((?:src|test|bench|scripts|docs|bin)\/[\w./-]+)`/g)]
      .map(([, named]) => named)
      .filter((named) => !existsSync(join(root, named)))
      .map((named) => `${path}: ${named}`),
  );
  expect(missing).toEqual([]);
});

test('every folder of src has a README.md', () => {
  const folders = readdirSync(join(root, 'src'), { withFileTypes: true }).filter((one) => one.isDirectory());
  const lacking = folders.map(({ name }) => name).filter((name) => !pages.includes(`src/${name}/README.md`));
  expect(lacking).toEqual([]);
});

test('docs/decisions/README.md lists every record once', () => {
  const records = readdirSync(join(root, 'docs/decisions')).filter((name) => /^\d{4}-/.test(name));
  const listed = [...read('docs/decisions/README.md').matchAll(/\]\((\d{4}-[^)]+)\)/g)].map(
    ([, name]) => name,
  );
  expect(listed).toEqual(records.sort());
});

describe('test/support/README.md', () => {
  const folder = join(root, 'test/support');
  const helpers = readdirSync(folder, { recursive: true })
    .map((name) => String(name).replaceAll('\\', '/'))
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts') && !name.startsWith('fixtures/'));
  const listed = [...read('test/support/README.md').matchAll(/^\| `([\w/.-]+\.ts)` \|/gm)].map(
    ([, name]) => name,
  );

  test('lists every helper once', () => {
    expect(listed.toSorted()).toEqual(helpers.toSorted());
  });
});
