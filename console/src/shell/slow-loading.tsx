import { useIsFetching, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { Button } from '../ui/button.tsx';

const SLOW_MS = 3_000;

/** Says that something takes long, and lets the viewer end it: pages then offer to try again. */
export function SlowLoading() {
  const client = useQueryClient();
  const isLoading = useIsFetching() > 0;
  const [isSlow, setSlow] = useState(false);
  useEffect(() => {
    if (!isLoading) return;
    const timer = setTimeout(() => setSlow(true), SLOW_MS);
    return () => {
      clearTimeout(timer);
      setSlow(false);
    };
  }, [isLoading]);
  const cancel = () => {
    // What is shown stays; what has nothing to show yet says that it was cancelled.
    void client.cancelQueries({ predicate: ({ state }) => state.data !== undefined });
    void client.cancelQueries({ predicate: ({ state }) => state.data === undefined }, { revert: false });
  };
  return (
    <div role="status" className="fixed z-20 right-4 bottom-4">
      {isSlow && (
        <p className="flex items-center gap-3 rounded border border-line bg-panel px-3 py-2">
          The gateway has not responded for 3 s.
          <Button onClick={cancel}>Cancel</Button>
        </p>
      )}
    </div>
  );
}
