import { type InfiniteData, useInfiniteQuery } from '@tanstack/react-query';
import { useCallback } from 'react';
import { api, type Query } from './api.ts';

/** A page of a list of the admin API. */
export interface ListPage<Row> {
  readonly data: readonly Row[];
  readonly has_more?: boolean;
  readonly next?: string | null;
}

export interface PagedList<Row> {
  readonly rows: readonly Row[];
  readonly isLoading: boolean;
  readonly isLoadingMore: boolean;
  readonly hasMore: boolean;
  readonly error: unknown;
  readonly refetch: () => void;
  /** Loads the next page; does nothing while one loads, and at the end. */
  readonly more: () => void;
}

/**
 * Reads a list page by page as it is scrolled.
 * @param path undefined reads nothing
 * @param refetchMs milliseconds after which the list is read again; absent: only `refetch` reads it again
 */
export function usePaged<Row>(
  path: string | undefined,
  query: Query = {},
  refetchMs?: number,
): PagedList<Row> {
  const found = useInfiniteQuery<
    ListPage<Row>,
    Error,
    InfiniteData<ListPage<Row>, string | undefined>,
    readonly unknown[],
    string | undefined
  >({
    queryKey: ['list', path, query],
    queryFn: ({ pageParam, signal }) =>
      api.get<ListPage<Row>>(path ?? '', { query: { limit: 100, ...query, after: pageParam }, signal }),
    initialPageParam: undefined,
    getNextPageParam: (last) => last.next ?? undefined,
    enabled: path !== undefined,
    refetchInterval: refetchMs ?? false,
  });
  const { refetch: read } = found;
  const refetch = useCallback(() => void read(), [read]);
  return {
    rows: found.data?.pages.flatMap(({ data }) => data) ?? [],
    isLoading: found.isLoading,
    isLoadingMore: found.isFetchingNextPage,
    hasMore: found.hasNextPage,
    error: found.error,
    refetch,
    more: () => {
      if (found.hasNextPage && !found.isFetchingNextPage) void found.fetchNextPage();
    },
  };
}
