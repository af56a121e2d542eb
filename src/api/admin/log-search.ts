import { setImmediate as nextTurn } from 'node:timers/promises';
import type { LoggedContent } from '../../storage/logged-request.ts';
import type { LogQuery, SqlRequestLogStore } from '../../storage/sql/request-log-store.ts';
import type { TenantScope } from '../../storage/tenant-scope.ts';
import type { RequestLogKeys } from '../../tenancy/request-log-keys.ts';
import { openContent } from '../../tenancy/sealed-content.ts';

/** Rows that one page opens, at most. */
const MAX_OPENED = 2_000;
/** Characters of sealed rows that one page opens, at most; one row more. */
const MAX_CHARACTERS = 32 * 1024 * 1024;
/** Rows that are read at once. */
const AT_ONCE = 50;
/** Rows that are opened in one piece, so that requests are served in between. */
const PIECE = 5;

export interface LogPage {
  /** Newest first. */
  readonly contents: readonly LoggedContent[];
  /** The place after which the next page begins; undefined after the last one. */
  readonly next: { readonly at: number; readonly id: string } | undefined;
  /** The search ended before the page was full. */
  readonly isPartial: boolean;
}

/** Searches the logged requests of a tenant. There is no index of texts: it would be a copy of them without a seal. */
export class LogSearch {
  constructor(
    private readonly store: Pick<SqlRequestLogStore, 'list'>,
    private readonly keys: Pick<RequestLogKeys, 'all'>,
  ) {}

  /**
   * Opens rows that match everything else, and looks for the text in each.
   * @param text in any case, within the request or the response; undefined for every row
   */
  async page(scope: TenantScope, query: LogQuery, text: string | undefined): Promise<LogPage> {
    const keys = await this.keys.all(scope);
    const wanted = text?.toLowerCase();
    const contents: LoggedContent[] = [];
    let { after } = query;
    let opened = 0;
    let characters = 0;
    for (;;) {
      const rows = await this.store.list(scope, { ...query, after, limit: AT_ONCE });
      for (const row of rows) {
        if (opened >= MAX_OPENED || characters >= MAX_CHARACTERS) {
          return { contents, next: after, isPartial: true };
        }
        opened += 1;
        characters += row.sealed.length;
        const content = openContent(row, keys);
        if (content && isWanted(content, query, wanted)) {
          // One more than a page says that there is another one.
          if (contents.length === query.limit) return { contents, next: after, isPartial: false };
          contents.push(content);
        }
        after = { at: row.at, id: row.id };
        if (opened % PIECE === 0) await nextTurn();
      }
      if (rows.length < AT_ONCE) return { contents, next: undefined, isPartial: false };
    }
  }
}

function isWanted(
  { summary, request, response }: LoggedContent,
  { filter }: LogQuery,
  text: string | undefined,
): boolean {
  if (filter.provider !== undefined && summary.provider !== filter.provider) return false;
  if (filter.tag !== undefined && !summary.tags.includes(filter.tag)) return false;
  return text === undefined || hasText(request, text) || hasText(response, text);
}

function hasText(value: unknown, text: string): boolean {
  if (typeof value === 'string') return value.toLowerCase().includes(text);
  if (typeof value !== 'object' || value === null) return false;
  return Object.values(value).some((item) => hasText(item, text));
}
