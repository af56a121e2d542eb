import type { Clock } from '../core/clock.ts';
import type { LazyEngine } from '../providers/types.ts';
import type { DeadlineMonitor, Watched } from './deadlines.ts';
import { deadlineExceeded } from './dispatch-errors.ts';
import type { DispatchScope } from './request.ts';

type Loading = NonNullable<ReturnType<LazyEngine['ensureLoaded']>>;

/**
 * Waits until an engine is loaded, which may take minutes.
 * @throws GatewayError when it cannot be loaded, when the request is aborted, or at its deadline
 */
export async function waitForEngine(
  { ready, cancel }: Loading,
  { request, signal, deadlineAt }: DispatchScope,
  { clock, deadlines }: { readonly clock: Clock; readonly deadlines: DeadlineMonitor },
): Promise<void> {
  const given = Promise.withResolvers<never>();
  const watched: Watched = {
    slot: -1,
    expiresAt: deadlineAt,
    expire: () => given.reject(deadlineExceeded()),
  };
  const onAbort = () => given.reject(signal.reason);
  deadlines.watch(watched);
  signal.addEventListener('abort', onAbort);
  if (signal.aborted) onAbort();
  const since = clock.now();
  const { routing } = request;
  routing.onSlowStart?.();
  try {
    await Promise.race([ready, given.promise]);
  } finally {
    cancel();
    deadlines.unwatch(watched);
    signal.removeEventListener('abort', onAbort);
    routing.loadingMs += clock.now() - since;
  }
}
