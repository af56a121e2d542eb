import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MEMBERS_HEADING } from '../page-parts.ts';
import type { Outcome, Word } from './outcome.ts';

/** The outcomes of one member, by column. */
export interface Row {
  readonly label: string;
  readonly outcomes: Readonly<Record<string, Outcome>>;
}

/** The rows of one published type. */
export interface Section {
  readonly title: string;
  /** Package and version, and the name of the type. */
  readonly source: string;
  readonly columns: readonly string[];
  readonly rows: readonly Row[];
}

const LETTERS: Readonly<Record<Word, string>> = {
  carried: '=',
  mapped: 'm',
  warned: 'w',
  rejected: 'r',
  explained: 'e',
  silent: '!',
};

/** Members of one path, which may be inside of each other. */
interface Node {
  readonly children: Map<string, Node>;
  outcomes: string | undefined;
}

const newNode = (): Node => ({ children: new Map(), outcomes: undefined });

/** A path, cut before each name and each alternative. */
function steps(label: string): string[] {
  return label.split(/\.(?![^(]*\))|(?=\()/);
}

function treeOf({ rows, columns }: Section): Node {
  const root = newNode();
  for (const { label, outcomes } of rows) {
    let node = root;
    for (const step of steps(label)) {
      const child = node.children.get(step) ?? newNode();
      node.children.set(step, child);
      node = child;
    }
    node.outcomes = columns.map((column) => LETTERS[outcomes[column]?.word ?? 'silent']).join(' | ');
  }
  return root;
}

/** @returns the outcome of a member, or the common one of all members in it; undefined where they differ */
function common(node: Node): string | undefined {
  if (node.children.size === 0) return node.outcomes;
  const found = new Set<string | undefined>();
  for (const child of node.children.values()) found.add(common(child));
  const [only, ...more] = found;
  return more.length === 0 ? only : undefined;
}

function sizeOf(node: Node): number {
  let size = node.children.size === 0 ? 1 : 0;
  for (const child of node.children.values()) size += sizeOf(child);
  return size;
}

/** A path as the page shows it: an alternative of a list is within its brackets, which would be a link otherwise. */
function shown(path: string): string {
  return path.replaceAll(/\[\]\(([^)]*)\)/g, '[$1]');
}

function joined(path: string, step: string): string {
  return path === '' || step.startsWith('(') ? path + step : `${path}.${step}`;
}

/** Rows of a table. Members of one parent with the same outcome share a row. */
function linesOf(node: Node, path: string): string[] {
  const lines: string[] = [];
  const groups = new Map<string, (readonly [step: string, size: string])[]>();
  const open: [string, Node][] = [];
  for (const [step, child] of node.children) {
    const outcome = common(child);
    if (outcome === undefined) {
      open.push([step, child]);
      continue;
    }
    const size = child.children.size === 0 ? '' : ` (${sizeOf(child)})`;
    groups.set(outcome, [...(groups.get(outcome) ?? []), [step, size]]);
  }
  for (const [outcome, names] of groups) lines.push(line(path, names, outcome));
  for (const [step, child] of open) lines.push(...linesOf(child, joined(path, step)));
  return lines;
}

function line(
  path: string,
  names: readonly (readonly [step: string, size: string])[],
  outcome: string,
): string {
  const [only, ...more] = names;
  if (only && more.length === 0) return `| \`${shown(joined(path, only[0]))}\`${only[1]} | ${outcome} |`;
  const listed = names.map(([step, size]) => `\`${step}\`${size}`).join(', ');
  return `| ${path === '' ? '' : `\`${shown(path)}\`: `}${listed} | ${outcome} |`;
}

function reasons({ rows, columns }: Section): string[] {
  const found = new Map<string, Set<string>>();
  for (const { outcomes } of rows) {
    for (const column of columns) {
      const reason = outcomes[column]?.reason;
      if (reason !== undefined) found.set(reason, (found.get(reason) ?? new Set()).add(column));
    }
  }
  return [...found.keys()];
}

/** Renders the section of one type. */
export function sectionLines(section: Section): string[] {
  const explained = reasons(section);
  return [
    `#### ${section.title}`,
    '',
    `${section.rows.length} members of ${section.source}.`,
    '',
    `| member | ${section.columns.join(' | ')} |`,
    `|---|${section.columns.map(() => '---').join('|')}|`,
    ...linesOf(treeOf(section), ''),
    '',
    ...(explained.length === 0 ? [] : [...explained.map((reason) => `- ${reason}`), '']),
  ];
}

const INTRODUCTION = `
A test reads the published types of the vendors' SDKs and sends each of their members through Weir, in the least request or response that may contain it. Nested members, entries of lists and alternatives count separately; \`type=text\` in brackets names an alternative. The member's outcome is one of:

| sign | outcome |
|---|---|
| = | **carried**: arrives under its own name |
| m | **mapped**: arrives under another name or in another form |
| w | **warned**: left out or changed, and \`x-weir-warnings\` says so |
| r | **rejected**: the error names the member |
| e | **explained**: has no effect, for a reason below the table |

A number in parentheses counts the members inside. Azure OpenAI is as OpenAI. The models of the targets are gpt-4o (chat), gpt-5.2 (Responses), mistral-large, llama3, claude-sonnet-4-5 (Anthropic and Bedrock), gemini-3-pro, command-a and an unknown model on vLLM; other models of a vendor may accept other parameters. [Decision 0038](decisions/0038-member-walk.md) has the rules.
`;

const RESPONSES_INTRODUCTION =
  "The columns are client APIs. A complete response whose content the client's API cannot express causes a warning in `x-weir-warnings`. Streams leave out the same content without one, because their head is sent before the content is known. Legacy completions have text only.";

const STREAMS_INTRODUCTION =
  'Events that hold an object of a complete response, such as `response`, `item` and `content_block`, are listed without the members of that object.';

/** Renders the second part of docs/compatibility.md. */
export function membersPart(
  requests: readonly Section[],
  answers: readonly Section[],
  streams: readonly Section[],
): string {
  const lines = [
    MEMBERS_HEADING,
    INTRODUCTION,
    '### Requests',
    '',
    'The columns are targets.',
    '',
    ...requests.flatMap(sectionLines),
    '### Responses',
    '',
    RESPONSES_INTRODUCTION,
    '',
    ...answers.flatMap(sectionLines),
    '### Streams',
    '',
    STREAMS_INTRODUCTION,
    '',
    ...streams.flatMap(sectionLines),
  ];
  return `${lines.join('\n').trimEnd()}\n`;
}

/** The version of an installed package. */
export function versionOf(name: string): string {
  const file = join(import.meta.dirname, '../../../node_modules', name, 'package.json');
  const { version }: { version: string } = JSON.parse(readFileSync(file, 'utf8'));
  return `\`${name}\` ${version}`;
}
