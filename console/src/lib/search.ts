import { useNavigate, useSearch } from '@tanstack/react-router';
import { useCallback } from 'react';
import type { PageSearch } from '../routes.tsx';

/** The filters of a page, which its URL keeps. */
export function usePageSearch(): readonly [PageSearch, (change: PageSearch, isNewEntry?: boolean) => void] {
  const search: PageSearch = useSearch({ strict: false });
  const navigate = useNavigate();
  const change = useCallback(
    (wanted: PageSearch, isNewEntry = false) =>
      void navigate({
        to: '.',
        search: (before) => ({ ...before, ...wanted }),
        replace: !isNewEntry,
      }),
    [navigate],
  );
  return [search, change];
}
