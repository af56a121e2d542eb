// Builds the guide from `docs` into `guide/dist`: HTML, the Markdown itself, a search index and llms.txt.
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import Eleventy from '@11ty/eleventy';
import anchors from 'markdown-it-anchor';
import MiniSearch from 'minisearch';
import {
  addressOf,
  anchorOf,
  BASE,
  listPages,
  llmsText,
  plainText,
  resolveLink,
  slugOf,
  summaryOf,
  titleOf,
} from './src/pages.js';

const folder = dirname(fileURLToPath(import.meta.url));
const docs = join(folder, '../docs');
const dist = join(folder, 'dist');
/** Two builds at a time do not mix. */
const madeName = `dist.${process.pid}`;
const made = join(folder, madeName);
const SEARCH = { fields: ['title', 'heading', 'text'], storeFields: ['title', 'heading'] };

const introduction = readFileSync(join(folder, '../README.md'), 'utf8');
const navigation = JSON.parse(readFileSync(join(folder, 'src/navigation.json'), 'utf8'));
const sections = listPages(docs, navigation, introduction);
const listed = sections.flatMap(({ pages }) => pages);
/** Decisions and runbooks are reached from their lists. */
const files = readdirSync(docs, { recursive: true })
  .map((name) => String(name).replaceAll('\\', '/'))
  .filter((name) => name.endsWith('.md'));
const pages = [
  { slug: 'index', file: '../README.md', markdown: introduction },
  ...files.map((file) => ({
    slug: slugOf(file),
    file,
    markdown: readFileSync(join(docs, file), 'utf8'),
  })),
];
/** Parts of pages by heading, for the search. */
const parts = [];
/** Addresses on the site that pages link to, with the pages. */
const links = new Map();

/** Links between Markdown files become addresses of the site; those to other files of the repository become text. */
function siteLinks(markdown) {
  markdown.core.ruler.push('site-links', ({ tokens, env }) => {
    for (const { children } of tokens) {
      for (const [index, token] of (children ?? []).entries()) {
        const name = token.type === 'link_open' ? 'href' : token.type === 'image' ? 'src' : undefined;
        if (name === undefined) continue;
        const target = resolveLink(env.file, token.attrGet(name) ?? '');
        if (target !== undefined) {
          token.attrSet(name, target);
          if (target.startsWith(BASE)) links.set(target, env.file);
          if (target.startsWith('#')) links.set(env.address + target, env.file);
          continue;
        }
        const title = token.attrGet('href');
        const close = children.findIndex((one, at) => at > index && one.type === 'link_close');
        token.tag = 'span';
        token.attrs = [['title', `in the repository: ${title?.replace(/^(\.\.\/)+/, '')}`]];
        if (close >= 0) children[close].tag = 'span';
      }
    }
  });
}

/** Tables get a box that scrolls, because phones are narrower than most of them. */
function scrollable(markdown) {
  markdown.renderer.rules.table_open = () => '<div class="wide" tabindex="0"><table>\n';
  // Code scrolls too, with the keyboard as well.
  const { fence } = markdown.renderer.rules;
  markdown.renderer.rules.fence = (...args) => fence(...args).replace('<pre>', '<pre tabindex="0">');
  markdown.renderer.rules.table_close = () => '</table></div>\n';
}

/** Comments mark examples for tests; readers do not need them. */
const withoutComments = (markdown) => markdown.replaceAll(/^<!--[\s\S]*?-->\n?/gm, '');

function collectParts(markdown) {
  markdown.core.ruler.push('parts', ({ tokens, env }) => {
    let part = { id: env.address, title: env.title, heading: '', text: [] };
    const found = [part];
    for (const [index, token] of tokens.entries()) {
      if (token.type === 'heading_open' && token.tag !== 'h1') {
        const anchor = token.attrGet('id');
        part = {
          id: `${env.address}#${anchor}`,
          title: env.title,
          heading: plainText(tokens[index + 1].content),
          text: [],
        };
        found.push(part);
      } else if (token.type === 'inline' || token.type === 'fence') part.text.push(token.content);
    }
    parts.push(...found.map(({ text, ...rest }) => ({ ...rest, text: text.join('\n') })));
  });
}

// It takes paths from the working directory.
process.chdir(folder);
const eleventy = new Eleventy('src', madeName, {
  quietMode: true,
  configPath: false,
  config: (configuration) => {
    configuration.setUseGitIgnore(false);
    configuration.setLayoutsDirectory('layouts');
    configuration.setIncludesDirectory('layouts');
    configuration.setTemplateFormats(['md']);
    configuration.addGlobalData('base', BASE);
    configuration.addGlobalData(
      'sections',
      sections.map((section) => ({
        ...section,
        pages: section.pages.map((page) => ({ ...page, address: addressOf(page.slug) })),
      })),
    );
    for (const { slug, file, markdown } of pages) {
      const known = listed.find((page) => page.slug === slug);
      const title = known?.title ?? titleOf(markdown);
      configuration.addTemplate(`${slug}.md`, withoutComments(markdown), {
        ...{ slug, file, title, summary: known?.summary ?? summaryOf(markdown) },
        ...{
          address: addressOf(slug),
          layout: 'page.njk',
          permalink: `${slug}.html`,
          templateEngineOverride: 'md',
        },
      });
    }
    configuration.amendLibrary('md', (markdown) => {
      markdown.set({ html: false, linkify: false });
      markdown.use(anchors, {
        slugify: anchorOf,
        permalink: anchors.permalink.headerLink({ class: 'anchor' }),
      });
      markdown.use(siteLinks).use(scrollable).use(collectParts);
    });
    return {};
  },
});

rmSync(made, { recursive: true, force: true });
await eleventy.write();
const assets = join(made, 'assets');
mkdirSync(assets, { recursive: true });
for (const name of ['guide.css', 'search.js']) cpSync(join(folder, 'src', name), join(assets, name));
cpSync(fileURLToPath(import.meta.resolve('minisearch')), join(assets, 'minisearch.js'));
const search = new MiniSearch(SEARCH);
search.addAll(parts);
writeFileSync(join(assets, 'search.json'), JSON.stringify({ options: SEARCH, index: search }));
for (const { slug, markdown } of pages) {
  const path = join(made, `${slug}.md`);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, markdown);
}
cpSync(join(docs, 'images'), join(made, 'images'), { recursive: true });
writeFileSync(join(made, 'llms.txt'), llmsText(sections, summaryOf(introduction)));

/** @returns links that lead to no page, or to no heading of it */
function brokenLinks() {
  const broken = [];
  for (const [link, file] of links) {
    const [address, anchor] = link.split('#');
    const slug = address === BASE ? 'index' : address.slice(BASE.length + 1);
    const path = [join(made, `${slug}.html`), join(made, slug)].find(
      (one) => existsSync(one) && statSync(one).isFile(),
    );
    const isThere = path !== undefined && (!anchor || readFileSync(path, 'utf8').includes(` id="${anchor}"`));
    if (!isThere) broken.push(`${file}: ${link}`);
  }
  return broken;
}
const broken = brokenLinks();
if (broken.length > 0) throw new Error(`Links that lead nowhere:\n${broken.join('\n')}`);
for (const name of readdirSync(made, { recursive: true })) {
  const path = join(made, String(name));
  if (/\.(html|css|js|json|md|txt)$/.test(path))
    writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: 9 }));
}
rmSync(dist, { recursive: true, force: true });
renameSync(made, dist);
