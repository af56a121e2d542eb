// Finds, selects, runs and prints the checks of deployment artefacts. The contract is in ../README.md.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ToolUnavailable } from './tools.mjs';

export const RESULTS = ['proved', 'failed', 'unproved'];

/**
 * Loads the checks of every family file in a folder.
 * @param {string} folder
 * @returns {Promise<{ family: string, artefact: string, tool: string, run: Function }[]>} in the order of file names
 * @throws {Error} a file exports no `checks`, or one that lacks a member
 */
export async function loadChecks(folder) {
  const files = readdirSync(folder)
    .filter((name) => name.endsWith('.mjs') && !name.endsWith('.test.mjs'))
    .sort();
  const loaded = [];
  for (const file of files) {
    const { checks } = await import(pathToFileURL(join(folder, file)).href);
    if (!Array.isArray(checks)) throw new Error(`${file} exports no array "checks"`);
    for (const check of checks) {
      const { artefact, tool, run } = check;
      if (typeof artefact !== 'string' || typeof tool !== 'string' || typeof run !== 'function') {
        throw new Error(`${file}: each check needs "artefact", "tool" and "run"`);
      }
      loaded.push({ family: file.slice(0, -'.mjs'.length), artefact, tool, run: run.bind(check) });
    }
  }
  return loaded;
}

/**
 * @param {{ family: string, artefact: string, tool: string }[]} checks
 * @param {string[]} names families, or parts of artefacts or tools; none selects every check
 */
export function selectChecks(checks, names) {
  if (names.length === 0) return checks;
  const has = (text, name) => text.toLowerCase().includes(name.toLowerCase());
  return checks.filter(({ family, artefact, tool }) =>
    names.some((name) => family === name || has(artefact, name) || has(tool, name)),
  );
}

/**
 * Runs one check. An exception is a failure; a tool that cannot be installed leaves the artefact unproved.
 * @param {{ family: string, artefact: string, tool: string, run: Function }} check
 * @param {{ root: string, tools: object, print: (line: string) => void }} context
 * @returns {Promise<{ family: string, artefact: string, tool: string, versions: string[], result: string, detail: string, gap: string, seconds: number }>}
 *   versions: of the tools that it used
 */
export async function runCheck(check, context) {
  const { family, artefact, tool } = check;
  const started = performance.now();
  const folders = [];
  const temporary = () => {
    const folder = mkdtempSync(join(tmpdir(), 'weir-verify-'));
    folders.push(folder);
    return folder;
  };
  let outcome;
  try {
    outcome = await check.run({ ...context, temporary });
    if (!RESULTS.includes(outcome?.result)) throw new Error(`no result: ${JSON.stringify(outcome)}`);
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    outcome = { result: error instanceof ToolUnavailable ? 'unproved' : 'failed', detail };
  } finally {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  }
  const { result, detail = '' } = outcome;
  const gap = outcome.gap ?? (result === 'unproved' ? (detail.split('\n')[0] ?? '') : '');
  const seconds = (performance.now() - started) / 1000;
  return { family, artefact, tool, versions: context.tools?.takeUsed() ?? [], result, detail, gap, seconds };
}

const COLUMNS = ['artefact', 'tool', 'result', 'not proved here'];

/**
 * @param {{ artefact: string, tool: string, result: string, gap: string }[]} outcomes
 * @returns {string} a table; failed rows are marked in upper case
 */
export function renderTable(outcomes) {
  const rows = outcomes.map(({ artefact, tool, result, gap }) => [
    artefact,
    tool,
    result === 'failed' ? 'FAILED' : result,
    gap,
  ]);
  const widths = COLUMNS.map((_, column) => Math.max(...[...rows, COLUMNS].map((row) => row[column].length)));
  const line = (row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]))
      .join('  ')
      .trimEnd();
  return [
    line(COLUMNS),
    widths.map((width, i) => '-'.repeat(i === 3 ? 15 : width)).join('  '),
    ...rows.map(line),
  ].join('\n');
}

/**
 * @param {{ artefact: string, tool: string, versions: string[], result: string, detail: string, gap: string }[]} outcomes
 * @returns {string} a table in Markdown, with versions and details
 */
export function renderMarkdown(outcomes) {
  const rows = outcomes.map(({ artefact, tool, versions, result, detail, gap }) => [
    ...[
      artefact,
      tool,
      versions.map(shortVersion).join(', '),
      result === 'proved' ? detail : `**${result}**`,
      gap,
    ],
  ]);
  const head = ['artefact', 'tool', 'versions', 'proved', 'not proved here'];
  const line = (cells) =>
    `| ${cells.map((cell) => cell.replaceAll('\n', ' ').replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** A spec without the path of a Go package: `github.com/rhysd/actionlint/cmd/actionlint@v1.7.12` is `actionlint@v1.7.12`. */
const shortVersion = (spec) =>
  spec
    .replace(/^[\w-]+(?:\.[\w-]+)+\/(?:\S*\/)?((?!v\d+@)[^/\s]+)(?:\/v\d+)?@v/, '$1@v')
    .replaceAll('==', ' ')
    .replace(/(?<=.)@/, ' ');

/** @returns {string} such as `12 proved, 0 failed, 1 unproved` */
export const summarize = (outcomes) =>
  RESULTS.map((result) => `${outcomes.filter((one) => one.result === result).length} ${result}`).join(', ');

/**
 * @param {{ result: string }[]} outcomes
 * @param {boolean} strict whether an unproved artefact is a failure too
 * @returns {number} the exit code
 */
export const exitCodeOf = (outcomes, strict) =>
  outcomes.some(({ result }) => result === 'failed' || (strict && result === 'unproved')) ? 1 : 0;
