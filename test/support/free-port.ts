import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';

const FIRST = 20_000;
const RANGE_FILE = '/proc/sys/net/ipv4/ip_local_port_range';

/**
 * The first port that the system chooses for outgoing connections and for servers on port 0. A free port above it may be
 * taken before its server listens.
 */
function firstEphemeral(): number {
  try {
    return Number.parseInt(readFileSync(RANGE_FILE, 'utf8'), 10);
  } catch {
    // Not Linux: other systems begin at 49,152, as IANA says.
    return 49_152;
  }
}

/** Where the system gives out these ports too, nothing better is left. */
const COUNT = Math.min(Math.max(firstEphemeral(), FIRST + 4_000), 32_768) - FIRST;
/** Processes begin at different ports, and none of them uses a port twice. */
let next = Math.floor(Math.random() * COUNT);

/** @returns whether nothing listens on the port of 127.0.0.1 */
async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  server.listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    // Taken: the caller tries the next one.
    return false;
  }
  const closed = once(server, 'close');
  server.close();
  await closed;
  return true;
}

/** @returns a port of 127.0.0.1 that is free, and that no other process is given by the system */
export async function freePort(): Promise<number> {
  for (let tried = 0; tried < COUNT; tried += 1) {
    const port = FIRST + (next % COUNT);
    next += 1;
    if (await isFree(port)) return port;
  }
  throw new Error(`no free port from ${FIRST} to ${FIRST + COUNT}; see ${RANGE_FILE}`);
}
