import type { Span, SpanFinder } from './spans.ts';

const URL_FORM = /(?<![\p{L}\p{N}@.])(?:[a-z][a-z0-9+.-]{1,20}:\/\/|www\.)[^\s<>"'`\\)\]}]{1,2000}/giu;
/** UTF-16 units of the longest address that is found. */
const MAX_URL = 2_048;

/** Finds web addresses whose host is not on a list. */
export class UrlFinder implements SpanFinder {
  readonly #allowed: readonly string[];

  /** @param allowed hosts; `*.example.com` allows the subdomains of `example.com` */
  constructor(allowed: readonly string[]) {
    this.#allowed = allowed.map((host) => host.toLowerCase());
  }

  find(text: string): readonly Span[] {
    if (!/:\/\/|www\./i.test(text)) return [];
    return [...text.matchAll(URL_FORM)].flatMap(({ index, 0: match }) => {
      const url = match.replace(/[.,;:!?]+$/, '');
      return this.#isAllowed(url) ? [] : [{ kind: 'url', start: index, end: index + url.length }];
    });
  }

  /** An address ends at a space. */
  holdFrom(text: string): number {
    const from = Math.max(0, text.length - MAX_URL);
    const word = /\S{1,2048}$/.exec(text.slice(from));
    return word ? from + word.index : text.length;
  }

  #isAllowed(url: string): boolean {
    const absolute = url.toLowerCase().startsWith('www.') ? `https://${url}` : url;
    if (!URL.canParse(absolute)) return false;
    const { hostname } = new URL(absolute);
    return this.#allowed.some((host) =>
      host.startsWith('*.') ? hostname.endsWith(host.slice(1)) : hostname === host,
    );
  }
}
