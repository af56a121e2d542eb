import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import fc from 'fast-check';
import { ByteReader } from './byte-reader.ts';
import { joinBytes, splitAtRandom, toBytes, toText } from './bytes.ts';
import { openRaw, requestBytes, sendRaw } from './http-raw.ts';

let server: Server;
let url: string;
let onConnection: (socket: Socket) => void;

beforeAll(async () => {
  server = createServer({ allowHalfOpen: true }, (socket) => onConnection(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  url = `http://127.0.0.1:${address.port}`;
});
afterAll(() => void server.close());

const answering = (...pieces: string[]) => {
  onConnection = (socket) => {
    socket.once('data', () => {
      for (const piece of pieces) socket.write(piece);
    });
    socket.on('end', () => socket.end());
  };
};

describe('readResponse', () => {
  test('skips informational responses and keeps what follows for the next read', async () => {
    answering(
      'HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}',
      'HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n',
    );
    const connection = await openRaw(url);
    await connection.send(requestBytes({}));
    const first = await connection.readResponse();
    expect([first.status, first.json(), first.complete]).toEqual([200, {}, true]);
    expect(first.rawHeaders).toEqual([['Content-Length', '2']]);
    expect((await connection.readResponse()).status).toBe(404);
    connection.destroy();
    expect((await connection.closed).by).toBe('client');
  });

  test('an answer to HEAD has no body, whatever its length says', async () => {
    answering('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n');
    const connection = await openRaw(url);
    await connection.send(requestBytes({ method: 'HEAD' }));
    expect(await connection.readResponse({ headOnly: true })).toMatchObject({ complete: true, status: 200 });
    connection.destroy();
  });

  test('times the head, the pieces and the end in order', async () => {
    answering(
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n',
      '1\r\na\r\n',
      '2\r\nbc\r\n',
      '0\r\n\r\n',
    );
    const response = await sendRaw(url, requestBytes({}));
    expect(response.text()).toBe('abc');
    const times = [response.atMs, ...response.pieces.map((piece) => piece.atMs), response.endedAtMs];
    expect(times).toEqual([...times].sort((left, right) => left - right));
  });

  test.each([
    ['a bad chunk size', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n', 'not a chunk size'],
    [
      'a chunk that is too long',
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nabc',
      'longer than its size',
    ],
    ['a bad status line', 'HTTQ/1.1 200 OK\r\n\r\n', 'not a status line'],
    ['a header without a colon', 'HTTP/1.1 200 OK\r\nodd\r\n\r\n', 'not a header line'],
    ['two framings', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n', 'both'],
  ])('%s is an error', async (_, bytes, message) => {
    answering(bytes);
    await expect(sendRaw(url, requestBytes({}))).rejects.toThrow(message);
  });
});

describe('the connection', () => {
  test('sends bytes as they are, in parts, and reads after a half-close', async () => {
    let got = '';
    onConnection = (socket) => {
      socket.on('data', (bytes) => {
        got += toText(toBytes(bytes));
      });
      socket.on('end', () => socket.end('HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n'));
    };
    const connection = await openRaw(url);
    await connection.send('GET / HT', '\0\r');
    connection.halfClose();
    expect((await connection.readResponse()).status).toBe(400);
    expect(got).toBe('GET / HT\0\r');
    expect((await connection.closed).by).toBe('server');
    await expect(connection.send('more')).rejects.toThrow('closed');
  });

  test('waitForText says what came instead', async () => {
    onConnection = (socket) => void socket.end('something else');
    const connection = await openRaw(url);
    await expect(connection.waitForText('hello')).rejects.toThrow('something else');
    await expect(connection.readResponse()).rejects.toThrow('connection closed inside a message head');
  });

  test('reset reaches the server as an error', async () => {
    const failed = new Promise<string>((resolve) => {
      onConnection = (socket) => {
        socket.on('error', (error) => resolve('code' in error ? String(error.code) : ''));
        socket.write('hello');
      };
    });
    const connection = await openRaw(url);
    await connection.waitForText('hello');
    connection.reset();
    expect(await failed).toBe('ECONNRESET');
  });
});

test('requestBytes adds host and content-length unless they are given', () => {
  expect(toText(requestBytes({ method: 'POST', target: '/x', headers: { 'X-A': 'b' }, body: 'é' }))).toBe(
    'POST /x HTTP/1.1\r\nhost: 127.0.0.1\r\nX-A: b\r\ncontent-length: 2\r\n\r\né',
  );
  expect(toText(requestBytes({ headers: { Host: 'h', 'Content-Length': '9' }, body: 'x' }))).toBe(
    'GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nx',
  );
});

test('ByteReader gives the same reads wherever the bytes were cut', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ min: 32, maxLength: 30 }), { minLength: 1, maxLength: 8 }),
      fc.integer(),
      async (records, seed) => {
        const reader = new ByteReader();
        const wire = joinBytes(records.flatMap((record) => [`${record.length}\r\n`, record]));
        const read = (async () => {
          const out: Uint8Array[] = [];
          for (;;) {
            const line = await reader.readThrough('\r\n');
            if (line === undefined) return out;
            const record = await reader.readExactly(Number.parseInt(toText(line), 10));
            if (record === undefined) throw new Error('cut short');
            out.push(record.slice());
          }
        })();
        for (const piece of splitAtRandom(wire, seed)) {
          reader.push(piece);
          await Promise.resolve();
        }
        reader.end();
        expect(await read).toEqual(records);
        expect(reader.buffered()).toBe(0);
      },
    ),
  );
});
