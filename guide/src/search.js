// Search in the browser: the index is loaded with the first use.
import MiniSearch from './minisearch.js';

const MOST = 12;
/** Readers look for the pages of tasks before records of decisions. */
const boostDocument = (address) => (address.includes('/decisions/') ? 0.4 : 1);
const input = document.getElementById('search');
const results = document.getElementById('results');
const base = new URL('.', import.meta.url);
let loading;

const load = () => {
  loading ??= fetch(new URL('search.json', base))
    .then(async (response) => {
      if (!response.ok) throw new Error(`The index could not be loaded (${response.status}).`);
      const { options, index } = await response.json();
      return MiniSearch.loadJS(index, options);
    })
    .catch((error) => {
      loading = undefined;
      throw error;
    });
  return loading;
};

function show(items) {
  results.replaceChildren(...items);
  results.hidden = items.length === 0;
}

function message(text) {
  const item = document.createElement('li');
  item.textContent = text;
  return item;
}

function hit({ id, title, heading }) {
  const item = document.createElement('li');
  const link = document.createElement('a');
  link.href = id;
  link.textContent = heading === '' ? title : heading;
  if (heading !== '') {
    const page = document.createElement('small');
    page.textContent = title;
    link.append(page);
  }
  item.append(link);
  return item;
}

async function search() {
  const query = input.value.trim();
  if (query === '') return show([]);
  try {
    const index = await load();
    if (query !== input.value.trim()) return;
    const hits = index.search(query, {
      prefix: true,
      fuzzy: 0.2,
      boost: { title: 4, heading: 3 },
      boostDocument,
    });
    show(hits.length === 0 ? [message(`Nothing about “${query}”.`)] : hits.slice(0, MOST).map(hit));
  } catch (error) {
    show([message(error instanceof Error ? error.message : String(error))]);
  }
}

input.form.addEventListener('submit', (event) => {
  event.preventDefault();
  results.querySelector('a')?.click();
});
input.addEventListener('input', search);
input.addEventListener('focus', () => void load().catch(() => undefined));
document.addEventListener('keydown', (event) => {
  const isTyping = event.target instanceof HTMLInputElement || event.target instanceof HTMLTextAreaElement;
  if (event.key === '/' && !isTyping && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    input.focus();
  } else if (event.key === 'Escape') {
    show([]);
  } else if (
    (event.key === 'ArrowDown' || event.key === 'ArrowUp') &&
    input.form.contains(document.activeElement)
  ) {
    const links = [input, ...results.querySelectorAll('a')];
    const step = event.key === 'ArrowDown' ? 1 : -1;
    const next = links[links.indexOf(document.activeElement) + step];
    if (next) {
      event.preventDefault();
      next.focus();
    }
  }
});
const asked = new URLSearchParams(location.search).get('q');
if (asked) {
  input.value = asked;
  void search();
}
