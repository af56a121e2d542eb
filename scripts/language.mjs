// Finds retired identifiers and phrases in source, strings, comments and pages. The lists are in language.json.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { extname, join, relative } from 'node:path';

const SKIPPED_FOLDERS = new Set(['node_modules', '.git', 'data', 'dist', 'fixtures']);
const EXTENSIONS = new Set(['.ts', '.tsx', '.mjs', '.js', '.cjs', '.md']);
/** The test plants retired words. */
const SKIPPED_FILES = new Set(['scripts/language.test.mjs']);
const DECLARATION = 'class|interface|type|enum|function|const|let|new|extends|implements|readonly';

/**
 * @typedef {object} Phrase
 * @property {string} pattern regular expression; spaces match line breaks too
 * @property {string} use what to write instead
 * @property {'docs'} [in] 'docs': only in pages, not in source
 * @property {string} [except] regular expression of the text at the same position that is allowed
 *
 * @typedef {object} Rules
 * @property {Record<string, string>} identifiers whole identifiers, wherever they occur
 * @property {Record<string, string>} declarations identifiers that are also English words: only where code declares or uses them
 * @property {Phrase[]} phrases
 * @property {string[]} phraseRoots folders and files in which phrases are checked
 * @property {{ path: string, reason: string }[]} phrasesIgnored files in which they are not
 *
 * @typedef {{ line: number, found: string, use: string }} Finding
 */

/** @param {string} text @param {number} index @returns {number} the line, from 1 */
function lineAt(text, index) {
  let line = 1;
  for (let at = text.indexOf('\n'); at !== -1 && at < index; at = text.indexOf('\n', at + 1)) line += 1;
  return line;
}

/** Replaces code in a page with blanks of the same length, so that positions stay. */
function withoutCode(page) {
  const blank = (text) => text.replace(/[^\n]/g, ' ');
  return page.replace(/^```[\s\S]*?^```/gm, blank).replace(/`[^`\n]+`/g, blank);
}

/** Matches a phrase as whole words, also across a line break with the marks of a comment, a quote or a joined string. */
function phraseExpression(pattern) {
  const gap = String.raw`(?:[ \t]+|[ \t]*['"\`]?[ \t]*\+?[ \t]*\r?\n[ \t]*(?:\*(?!/)|//|#|>)?[ \t]*['"\`]?)`;
  return new RegExp(String.raw`(?<![\w-])(?:${pattern.replaceAll(' ', gap)})(?![\w])`, 'gi');
}

/**
 * @param {string} file its name decides whether it is a page (`.md`)
 * @param {string} text
 * @param {Rules} rules
 * @param {{ phrases?: boolean }} [options] phrases: false checks identifiers only
 * @returns {Finding[]} in the order of the text
 */
export function languageFindings(file, text, rules, { phrases = true } = {}) {
  /** @type {(Finding & { index: number })[]} */
  const findings = [];
  const add = (index, found, use) =>
    findings.push({ index, line: lineAt(text, index), found: found.replace(/\s+/g, ' '), use });
  const isPage = extname(file) === '.md';

  for (const { 0: name, index } of text.matchAll(/[A-Za-z_$][\w$]*/g)) {
    if (Object.hasOwn(rules.identifiers, name)) add(index, name, rules.identifiers[name]);
  }
  if (!isPage) {
    const names = Object.keys(rules.declarations).join('|');
    const declared = new RegExp(String.raw`(?:\b(?:${DECLARATION})\s+|[\w$)\]]\??\.)(${names})\b`, 'g');
    for (const match of names === '' ? [] : text.matchAll(declared)) {
      const name = match[1];
      add(match.index + match[0].length - name.length, name, rules.declarations[name]);
    }
  }
  if (phrases) {
    const prose = isPage ? withoutCode(text) : text;
    for (const phrase of rules.phrases) {
      if (phrase.in === 'docs' && !isPage) continue;
      const except = phrase.except === undefined ? undefined : new RegExp(phrase.except, 'iy');
      for (const { 0: found, index } of prose.matchAll(phraseExpression(phrase.pattern))) {
        if (except && allowedWithin(prose, index, found.length, except)) continue;
        add(index, found, phrase.use);
      }
    }
  }
  return findings.sort((a, b) => a.index - b.index).map(({ index: _, ...finding }) => finding);
}

/** Whether an allowed text begins anywhere within what was found. */
function allowedWithin(text, index, length, except) {
  for (let at = index; at < index + length; at += 1) {
    except.lastIndex = at;
    if (except.test(text)) return true;
  }
  return false;
}

/** @param {string} root @returns {Generator<string>} paths of all files to check, relative to root, with `/` */
export function* languageFiles(root, folder = root) {
  for (const name of readdirSync(folder).sort()) {
    const path = join(folder, name);
    const shown = relative(root, path).replaceAll('\\', '/');
    if (statSync(path).isDirectory()) {
      if (!SKIPPED_FOLDERS.has(name)) yield* languageFiles(root, path);
    } else if (EXTENSIONS.has(extname(name)) && !SKIPPED_FILES.has(shown)) yield shown;
  }
}

/**
 * Checks every file of a checkout: identifiers everywhere, phrases below `phraseRoots`.
 * @returns {{ files: number, findings: (Finding & { file: string })[] }}
 */
export function checkLanguage(root, rules, roots = rules.phraseRoots) {
  const ignored = new Set(rules.phrasesIgnored.map(({ path }) => path));
  const findings = [];
  let files = 0;
  for (const file of languageFiles(root)) {
    files += 1;
    const phrases = !ignored.has(file) && roots.some((one) => file === one || file.startsWith(`${one}/`));
    const text = readFileSync(join(root, file), 'utf8');
    for (const finding of languageFindings(file, text, rules, { phrases }))
      findings.push({ file, ...finding });
  }
  return { files, findings };
}
