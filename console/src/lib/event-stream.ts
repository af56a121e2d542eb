import { useEffect, useState } from 'react';

/** A durable event, as lists, streams and webhooks have it. */
export interface DurableEvent {
  readonly id: string;
  readonly type: string;
  readonly version: number;
  readonly tenant: string | null;
  readonly subject: string;
  readonly timestamp: string;
  readonly actor: string;
  readonly request_id: string | null;
  readonly test: boolean;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface EventType {
  readonly type: string;
  readonly summary: string;
  readonly example: Readonly<Record<string, unknown>>;
}

/** Milliseconds until a stream that was rejected is opened again. */
const AGAIN_MS = 5_000;

/**
 * Follows a stream of events. The browser reconnects after a broken connection, and goes on behind the last event.
 * @param path undefined follows nothing
 * @param types the names of events that are followed
 * @param onEvent the same function as long as the stream is the same
 * @returns whether the stream is open
 */
export function useEventStream(
  path: string | undefined,
  types: readonly string[],
  onEvent: (event: DurableEvent) => void,
): boolean {
  const [isOpen, setOpen] = useState(false);
  useEffect(() => {
    if (path === undefined) return;
    let source: EventSource;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const open = () => {
      source = new EventSource(path);
      source.addEventListener('open', () => setOpen(true));
      source.addEventListener('error', () => {
        setOpen(false);
        // A rejected stream stays closed: the session may have ended, or too many streams are open.
        if (source.readyState === EventSource.CLOSED) timer = setTimeout(open, AGAIN_MS);
      });
      for (const type of types) {
        source.addEventListener(type, ({ data }) => onEvent(JSON.parse(data)));
      }
    };
    open();
    return () => {
      clearTimeout(timer);
      source.close();
      setOpen(false);
    };
  }, [path, types, onEvent]);
  return isOpen;
}
