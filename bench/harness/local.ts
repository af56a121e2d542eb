/** What subjects on this machine have in common. */
import type { Endpoint } from '../load/protocol.ts';
import { type Child, withDeadline } from './children.ts';

const CHAT_PATH = '/v1/chat/completions';
const READY_LIMIT_MS = 30_000;
const POLL_MS = 50;

export function local(port: number, headers: Record<string, string> = {}): Endpoint {
  return { hostname: '127.0.0.1', port, path: CHAT_PATH, headers };
}

/** A port that was free a moment ago. */
export function freePort(): number {
  const listener = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data: () => undefined } });
  const { port } = listener;
  listener.stop(true);
  return port;
}

/** Asks until the answer is 200. @throws when the process ends before, or the time is over */
export async function untilReady(child: Child, url: string, pollMs = POLL_MS): Promise<void> {
  let ended: string | undefined;
  child.ended.then((how) => {
    ended = how;
  });
  let waiting = true;
  const poll = async () => {
    while (waiting) {
      if (ended !== undefined) throw new Error(`${child.name} ended (${ended}): ${child.logTail()}`);
      const answer = await fetch(url).catch(() => undefined);
      await answer?.arrayBuffer();
      if (answer?.status === 200) return;
      await Bun.sleep(pollMs);
    }
  };
  try {
    await withDeadline(poll(), READY_LIMIT_MS, `${child.name} to be ready at ${url}: ${child.logTail()}`);
  } finally {
    waiting = false;
  }
}
