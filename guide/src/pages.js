// What is known of the pages from their Markdown: addresses, titles, and the order in which they are listed.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path/posix';

/** Where a gateway serves the guide. */
export const BASE = '/docs/guide';

/**
 * @param {string} name of a Markdown file below `docs`, such as `deployment/README.md`
 * @returns its address below {@link BASE}, without a suffix: `deployment`
 */
export const slugOf = (name) =>
  name
    .replace(/\.md$/, '')
    .replace(/(^|\/)README$/, '')
    .replace(/^\/|\/$/g, '') || 'index';

/** @returns the address of a page. */
export const addressOf = (slug) => (slug === 'index' ? BASE : `${BASE}/${slug}`);

/**
 * Resolves a link between Markdown files.
 * @param {string} from the page that contains it, as a path below `docs`
 * @returns the address on the site; undefined for a file of the repository that is no page; the link itself for other sites
 */
export function resolveLink(from, href) {
  if (/^[a-z][a-z0-9+.-]*:|^#|^\//i.test(href)) return href;
  const [path, anchor] = href.split('#');
  const target = normalize(join(dirname(from), path)).replace(/^\.\.\/docs\//, '');
  const suffix = anchor === undefined ? '' : `#${anchor}`;
  if (target === '../README.md' || target === '..' || target === '../') return BASE + suffix;
  if (target.startsWith('..')) return undefined;
  if (/\.(png|svg)$/.test(target)) return `${BASE}/${target}`;
  const isPage = target.endsWith('.md') || target.endsWith('/') || !target.includes('.');
  return isPage ? addressOf(slugOf(target)) + suffix : undefined;
}

/** The id of a heading, as code hosts make it: links between the pages work there and here. */
export const anchorOf = (text) =>
  text
    .trim()
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(' ', '-');

/** @returns Markdown of one line without its marks. */
export const plainText = (text) => text.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').replaceAll(/[`*]/g, '');

/** @returns the first heading of a page. */
export const titleOf = (markdown) => plainText(/^# (.+)$/m.exec(markdown)?.[1] ?? 'Weir');

/** @returns the first paragraph after the heading, as plain text on one line; empty without one. */
export function summaryOf(markdown) {
  const blocks = markdown.replace(/^[\s\S]*?^# .+$/m, '').split(/\n{2,}/);
  const paragraph = blocks.map((block) => block.trim()).find((block) => /^[\p{L}`[*"]/u.test(block));
  return paragraph === undefined ? '' : plainText(paragraph.replaceAll(/\s+/g, ' '));
}

/**
 * Sections of the navigation with their pages, in order. Pages at the top of `docs` that are in no section come last.
 * @param {string} docs path of the folder `docs`
 * @param {{ title: string, pages: string[] }[]} sections `folder/*` stands for the rest of a folder
 * @param {string} introduction Markdown of the first page
 * @returns {{ title: string, pages: { slug: string, title: string, summary: string }[] }[]}
 */
export function listPages(docs, sections, introduction) {
  const files = readdirSync(docs, { recursive: true })
    .map((name) => String(name).replaceAll('\\', '/'))
    .filter((name) => name.endsWith('.md'))
    .sort();
  const bySlug = new Map(files.map((file) => [slugOf(file), file]));
  const listed = new Set();
  const pageOf = (slug) => {
    const file = bySlug.get(slug);
    if (slug === 'index') return { slug, title: 'Weir', summary: summaryOf(introduction) };
    if (file === undefined || listed.has(slug)) return [];
    listed.add(slug);
    const markdown = readFileSync(join(docs, file), 'utf8');
    return { slug, title: titleOf(markdown), summary: summaryOf(markdown) };
  };
  const made = sections.map(({ title, pages }) => ({
    title,
    pages: pages
      .flatMap((name) =>
        name.endsWith('/*')
          ? [...bySlug.keys()].filter((slug) => slug.startsWith(name.slice(0, -1)))
          : [name],
      )
      .flatMap(pageOf),
  }));
  const rest = [...bySlug.keys()].filter((slug) => !slug.includes('/') && !listed.has(slug));
  return rest.length === 0 ? made : [...made, { title: 'More', pages: rest.flatMap(pageOf) }];
}

/** @returns the text of `llms.txt`: every page with its address and summary. */
export function llmsText(sections, summary) {
  const line = ({ slug, title, summary: text }) =>
    `- [${title}](${slug === 'index' ? `${BASE}/index.md` : `${BASE}/${slug}.md`})${text === '' ? '' : `: ${text}`}`;
  const parts = sections.map(({ title, pages }) => `## ${title}\n\n${pages.map(line).join('\n')}\n`);
  const api =
    '## Description of the API\n\n- [OpenAPI](/openapi.json): every route, parameter and error of this gateway\n';
  return [`# Weir\n\n> ${summary}\n`, ...parts, api].join('\n');
}
