import { connect, type Socket } from 'node:net';

/**
 * A hostile client without a key, in a process of its own: `bun hostile-client.ts <port> <seconds> <attack>...`. All its
 * connections come from 127.0.0.2. It prints one JSON object: how often each attack opened a connection.
 */

const ADDRESS = '127.0.0.2';
/** How often each attack opens missing connections, and continues on open ones. */
const ROUND_MS = 20;

interface Attack {
  /** Connections that are kept open. */
  readonly connections: number;
  /** Reads nothing that the gateway sends. */
  readonly deaf?: boolean;
  /** Sent at once on a new connection. */
  readonly first: (count: number) => string;
  /** Sent in each round in which the socket takes more. */
  readonly more?: (count: number) => string;
  /** Rounds between two of `more`; 1 when absent. */
  readonly every?: number;
}

const post = (path: string, ...headers: string[]) =>
  ['POST ', path, ' HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n', ...headers, '\r\n'].join('');
const CHUNKED = 'transfer-encoding: chunked\r\n';
const UNKEYED = ['/v1/auth/sign-in', '/v1/auth/invitations/accept', '/v1/auth/token', '/v1/chat/completions'];
const path = (count: number) => UNKEYED[count % UNKEYED.length] ?? '/';
const BLOCK = 'x'.repeat(256 * 1024);
const ONE_BYTE_CHUNKS = '1\r\nx\r\n'.repeat(20_000);
const EXTENSION = `1;${'a'.repeat(4_000)}\r\n \r\n`.repeat(20);

const ATTACKS: Readonly<Record<string, Attack>> = {
  'chunk extensions': {
    connections: 40,
    first: (count) => post(path(count), CHUNKED),
    more: () => EXTENSION,
  },
  'one-byte chunks': {
    connections: 20,
    first: (count) => post(path(count), CHUNKED),
    more: () => ONE_BYTE_CHUNKS,
  },
  'large bodies': {
    connections: 60,
    first: (count) => post(path(count), 'content-length: 19000000\r\n'),
    more: () => BLOCK,
  },
  'large chunked bodies': {
    connections: 60,
    first: (count) => post(path(count), CHUNKED),
    more: () => `40000\r\n${BLOCK}\r\n`,
  },
  'slow bodies': {
    connections: 100,
    first: (count) => post(path(count), 'content-length: 10000\r\n'),
    more: () => 'x',
    every: 50,
  },
  'slow heads': {
    connections: 100,
    first: () => 'GET /health/live HTTP/1.1\r\nhost: ',
    more: () => 'x',
    every: 50,
  },
  'long heads': {
    connections: 300,
    first: (count) => `GET /${count} HTTP/1.1\r\nhost: x\r\nx-${count}: ${'a'.repeat(60_000)}`,
  },
  'unread responses': {
    connections: 150,
    deaf: true,
    first: () => 'GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(20),
  },
  'pipelined requests': {
    connections: 20,
    deaf: true,
    first: (count) => `GET /${count} HTTP/1.1\r\nhost: x\r\n\r\n`.repeat(2_000),
    more: (count) => `GET /${count} HTTP/1.1\r\nhost: x\r\n\r\n`.repeat(2_000),
  },
  'long names': {
    connections: 10,
    first: () => '',
    more: (count) =>
      `GET /${count} HTTP/1.1\r\nhost: ${count}${'a'.repeat(40_000)}\r\nx-request-id: r${count}\r\nauthorization: Bearer wr-${count}\r\n\r\n`,
  },
  'idle connections': { connections: 2_000, first: () => '' },
  'TLS handshakes': { connections: 20, first: () => '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03' },
};

class Attacker {
  opened = 0;
  readonly #sockets: Socket[] = [];
  #round = 0;
  #sent = 0;

  constructor(
    private readonly port: number,
    private readonly attack: Attack,
  ) {}

  round(): void {
    const { connections, more, every = 1 } = this.attack;
    this.#round += 1;
    // Not all at once: connections must be accepted before more are opened.
    const missing = Math.min(50, connections - this.#sockets.length);
    for (let count = 0; count < missing; count += 1) this.#open();
    if (!more || this.#round % every !== 0) return;
    for (const socket of this.#sockets) {
      if (socket.connecting || socket.writableNeedDrain) continue;
      this.#sent += 1;
      socket.write(more(this.#sent), 'latin1');
    }
  }

  #open(): void {
    const { first, deaf } = this.attack;
    const socket = connect({ host: '127.0.0.1', port: this.port, localAddress: ADDRESS });
    this.#sockets.push(socket);
    this.opened += 1;
    const count = this.opened;
    socket.once('connect', () => {
      socket.write(first(count), 'latin1');
      if (deaf) socket.pause();
      else socket.resume();
    });
    const gone = () => {
      const at = this.#sockets.indexOf(socket);
      if (at >= 0) this.#sockets.splice(at, 1);
    };
    socket.on('error', gone);
    socket.on('close', gone);
  }
}

const [port = '', seconds = '', ...names] = process.argv.slice(2);
const attackers = Object.entries(ATTACKS)
  .filter(([name]) => names.length === 0 || names.includes(name))
  .map(([name, attack]) => ({ name, attacker: new Attacker(Number(port), attack) }));
const rounds = setInterval(() => {
  for (const { attacker } of attackers) attacker.round();
}, ROUND_MS);
setTimeout(() => {
  clearInterval(rounds);
  const opened = Object.fromEntries(attackers.map(({ name, attacker }) => [name, attacker.opened]));
  process.stdout.write(`${JSON.stringify(opened)}\n`, () => process.exit(0));
}, Number(seconds) * 1_000);
