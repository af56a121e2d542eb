import { afterEach, describe, expect, test } from 'bun:test';
import { once } from 'node:events';
import { connect } from 'node:net';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { createTestCertificate, sharedCertificate } from '../../test/support/certificates.ts';
import { openRaw, type RawConnection, requestBytes } from '../../test/support/http-raw.ts';
import { reply, TestServers } from '../../test/support/test-servers.ts';

const tlsServers = new TestServers('TLS');
const plainServers = new TestServers();
const opened: RawConnection[] = [];
afterEach(() => {
  for (const connection of opened.splice(0)) connection.destroy();
  tlsServers.stop();
  plainServers.stop();
});

const start = () => tlsServers.start(({ target }) => reply(200, target));

/** A connection without TLS, whatever the server speaks. */
async function openPlain(port: number): Promise<RawConnection> {
  const connection = await openRaw(`http://127.0.0.1:${port}`);
  opened.push(connection);
  return connection;
}

/** Resolves with the socket after the handshake, or with the error that ended it. */
function handshake(port: number, options: ConnectionOptions = {}): Promise<TLSSocket | Error> {
  const socket = connectTls({ host: '127.0.0.1', port, ca: sharedCertificate().cert, ...options });
  return new Promise((resolve) => {
    socket.once('secureConnect', () => resolve(socket));
    socket.once('error', (error) => resolve(error));
    socket.once('close', () => resolve(new Error('closed')));
  });
}

describe('the handshake', () => {
  test.each([['TLSv1.2'], ['TLSv1.3']] as const)('succeeds with %s', async (version) => {
    const { server } = start();
    const socket = await handshake(server.port, { minVersion: version, maxVersion: version });
    if (socket instanceof Error) throw socket;
    expect([socket.getProtocol(), socket.authorized]).toEqual([version, true]);
    socket.destroy();
  });

  test.each([['TLSv1'], ['TLSv1.1']] as const)('fails with %s', async (version) => {
    const { server } = start();
    const options = { minVersion: version, maxVersion: version, ciphers: 'ALL' };
    expect(await handshake(server.port, options)).toBeInstanceOf(Error);
  });

  test.each<[offered: string[], selected: string | false]>([
    [['h2', 'http/1.1'], 'http/1.1'],
    [['http/1.1'], 'http/1.1'],
    [[], false],
  ])('selects HTTP/1.1 where the client offers %j', async (ALPNProtocols, selected) => {
    const { server } = start();
    const socket = await handshake(server.port, ALPNProtocols.length > 0 ? { ALPNProtocols } : {});
    if (socket instanceof Error) throw socket;
    expect(socket.alpnProtocol).toBe(selected);
    socket.destroy();
  });

  test('fails where the client speaks HTTP/2 only', async () => {
    const { server } = start();
    expect(await handshake(server.port, { ALPNProtocols: ['h2'] })).toBeInstanceOf(Error);
  });

  test.each([
    ['plain HTTP', requestBytes({})],
    ['random bytes', Buffer.from('\xff\x00garbage\r\n\r\n', 'latin1')],
  ])('fails at once for %s, and others are served', async (_name, bytes) => {
    const { server, open, errors } = start();
    const connection = await openPlain(server.port);
    await connection.send(bytes);
    expect(await connection.closed).toMatchObject({ by: 'server' });
    const other = await open();
    await other.send(requestBytes({ target: '/next' }));
    expect((await other.readResponse()).text()).toBe('/next');
    expect([errors, server.pendingRequests()]).toEqual([[], 0]);
  });

  test.each([
    ['nothing', ''],
    ['half a handshake', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
  ])('has 10 seconds: a client that sends %s is closed then', async (_name, bytes) => {
    const { server, open, seconds } = start();
    const connection = await openPlain(server.port);
    if (bytes !== '') await connection.send(Buffer.from(bytes, 'latin1'));
    // Accepted by now, since a connection after it is served.
    const other = await open();
    await other.send(requestBytes({}));
    await other.readResponse();
    seconds(9);
    await other.send(requestBytes({}));
    await other.readResponse();
    let closed = false;
    void connection.closed.then(() => {
      closed = true;
    });
    await Promise.resolve();
    expect(closed).toBe(false);
    seconds(2);
    expect(await connection.closed).toMatchObject({ by: 'server' });
  });

  test('does not keep the server from stopping', async () => {
    const { server, open } = start();
    const connection = await openPlain(server.port);
    const other = await open();
    await other.send(requestBytes({}));
    await other.readResponse();
    await server.drain();
    expect(await connection.closed).toMatchObject({ by: 'server' });
  });
});

test('a TLS handshake on a plain port fails at once', async () => {
  const { server } = plainServers.start(() => reply(200, 'x'));
  expect(await handshake(server.port)).toBeInstanceOf(Error);
  const connection = await openPlain(server.port);
  await connection.send(Buffer.from('\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 'latin1'));
  const response = await connection.readResponse();
  expect([response.status, response.text().includes('TLS')]).toEqual([400, true]);
});

test.each([
  ['a handshake', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
  ['a handshake with an empty line in it', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n'],
])(
  'a plain port closes the connection at %s, although the client keeps its side open',
  async (_name, bytes) => {
    const { server } = plainServers.start(() => reply(200, 'x'));
    const socket = connect({ host: '127.0.0.1', port: server.port, allowHalfOpen: true });
    await once(socket, 'connect');
    socket.write(Buffer.from(bytes, 'latin1'));
    await once(socket, 'data');
    await once(socket, 'end');
    expect(server.stats().connections).toBe(0);
    socket.destroy();
  },
);

describe('new credentials', () => {
  test('are for new connections; open ones and their responses go on', async () => {
    const gate = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    const { server, open } = tlsServers.start(async ({ target }) => {
      if (target === '/slow') {
        asked.resolve();
        await gate.promise;
      }
      return reply(200, target);
    });
    const before = await open();
    await before.send(requestBytes({ target: '/slow' }));
    await asked.promise;
    const next = createTestCertificate({ name: 'next.test' });
    server.useCredentials(next);
    const after = await handshake(server.port, { ca: next.cert });
    if (after instanceof Error) throw after;
    expect(after.getPeerCertificate().subject.CN).toBe('next.test');
    after.destroy();
    expect(await handshake(server.port)).toBeInstanceOf(Error);
    gate.resolve();
    expect((await before.readResponse()).text()).toBe('/slow');
    await before.send(requestBytes({ target: '/again' }));
    expect((await before.readResponse()).text()).toBe('/again');
  });

  test('lose no connection while they change', async () => {
    const { server } = start();
    const certificates = [sharedCertificate(), createTestCertificate(), createTestCertificate()];
    const ca = certificates.map(({ cert }) => cert);
    const CLIENTS = 8;
    const CONNECTIONS = 25;
    let done = false;
    const clients = Array.from({ length: CLIENTS }, async () => {
      let answered = 0;
      for (let count = 0; count < CONNECTIONS; count += 1) {
        const socket = connectTls({ host: '127.0.0.1', port: server.port, ca });
        await once(socket, 'secureConnect');
        socket.write(requestBytes({}));
        const [bytes] = await once(socket, 'data');
        if (String(bytes).startsWith('HTTP/1.1 200')) answered += 1;
        socket.destroy();
      }
      return answered;
    });
    const changing = (async () => {
      for (let turn = 0; !done; turn += 1) {
        const next = certificates[turn % certificates.length];
        if (next) server.useCredentials(next);
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    expect(await Promise.all(clients)).toEqual(Array.from({ length: CLIENTS }, () => CONNECTIONS));
    done = true;
    await changing;
  });

  test('need a server that began with TLS', () => {
    const { server } = plainServers.start(() => reply(200, 'x'));
    expect(() => server.useCredentials(sharedCertificate())).toThrow('without TLS');
    expect([server.secure, start().server.secure]).toEqual([false, true]);
  });
});
