import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { ErrorPanel } from '../ui/feedback.tsx';
import { ApiError, api, pathOf } from './api.ts';
import type { ListPage, PagedList } from './paged.ts';

export interface Opened<Row> {
  /** Undefined while nothing is opened, and until it is read. */
  readonly row: Row | undefined;
  /** Why it cannot be shown; null where it can. */
  readonly problem: ReactNode;
}

/**
 * Finds the object that the URL names. A link can name one that is not on the pages of the list that are loaded.
 * @param path where the list is read
 * @param way how one object is read: below the list, or as the list with its id as a filter
 */
export function useOpened<Row extends { readonly id: string }>(
  list: Pick<PagedList<Row>, 'rows' | 'isLoading'>,
  path: string,
  id: string | undefined,
  way: 'path' | 'filter' = 'path',
): Opened<Row> {
  const listed = list.rows.find((row) => row.id === id);
  const isElsewhere = id !== undefined && listed === undefined && !list.isLoading;
  const { data, error, refetch } = useQuery({
    queryKey: ['opened', path, id],
    queryFn: ({ signal }) =>
      way === 'path'
        ? api.get<Row>(pathOf(path, id ?? ''), { signal })
        : first(api.get<ListPage<Row>>(path, { query: { id }, signal })),
    enabled: isElsewhere,
  });
  return {
    row: listed ?? (isElsewhere ? data : undefined),
    problem: isElsewhere && error && (
      <ErrorPanel what={`${id} could not be opened`} error={error} retry={() => void refetch()} />
    ),
  };
}

async function first<Row>(found: Promise<ListPage<Row>>): Promise<Row> {
  const [row] = (await found).data;
  if (row === undefined) throw new ApiError(404, 'not_found', 'It does not exist.', undefined, undefined);
  return row;
}
