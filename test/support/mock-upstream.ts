import { once } from 'node:events';
import { createServer } from 'node:net';
import { framingOf, HttpSyntaxError, readBody, readHead, TruncatedMessageError } from './http-message.ts';
import { MockConnection } from './mock-connection.ts';
import { MockExchange, type RecordedRequest } from './recorded-request.ts';
import { compileScript, json, type Script, status } from './scripts.ts';
import { Waiters } from './waiters.ts';

/** What to answer: a script, or a function that decides by the request and may take its time. */
export type Responder = Script | ((request: RecordedRequest) => Script | Promise<Script>);

/**
 * An HTTP/1.1 upstream on 127.0.0.1 whose every byte the test decides. A request is answered by the first
 * `when` that matches it, else by the head of the queue, else by `respondAlways`, else with a 501.
 */
export interface MockUpstream {
  /** Without a slash at the end. */
  readonly url: string;
  readonly port: number;
  /** Adds answers to the queue; each serves one request. */
  respond(...responders: Responder[]): void;
  /** Answers whatever the queue has no answer for. */
  respondAlways(responder: Responder): void;
  /** Answers the requests that match, `times` times (for ever when absent), before the queue is asked. */
  when(matches: (request: RecordedRequest) => boolean, responder: Responder, times?: number): void;
  /** Every request that was read in full, in order. */
  readonly requests: readonly RecordedRequest[];
  /** Requests that nothing was scripted for. */
  readonly unscripted: readonly RecordedRequest[];
  /** Requests whose response is not over. */
  openRequests(): number;
  openConnections(): number;
  /** Connections accepted so far. */
  acceptedConnections(): number;
  /** The n-th request, counted from 1. */
  waitForRequest(n: number): Promise<RecordedRequest>;
  /** Resolves when exactly `count` requests are open. */
  waitForOpen(count: number): Promise<void>;
  /** Resolves when exactly `count` connections are open. */
  waitForConnections(count: number): Promise<void>;
  /** Closes the connections that carry no request now, as an upstream with a short keep-alive does. */
  closeIdleConnections(): void;
  /**
   * Destroys all connections and stops listening. Idempotent.
   * @throws AggregateError when a client sent malformed HTTP or a responder threw
   */
  close(): Promise<void>;
}

interface Rule {
  readonly matches: (request: RecordedRequest) => boolean;
  readonly responder: Responder;
  left: number;
}

/** The URL of a port that nothing listens on: connections are refused. */
export async function refusedUrl(): Promise<string> {
  const mock = await startMockUpstream();
  await mock.close();
  return mock.url;
}

/** @param port of the one that was there before; any free one when absent */
export async function startMockUpstream(port = 0): Promise<MockUpstream> {
  const waiters = new Waiters();
  const connections = new Map<MockConnection, MockExchange | undefined>();
  const requests: RecordedRequest[] = [];
  const unscripted: RecordedRequest[] = [];
  const faults: Error[] = [];
  const rules: Rule[] = [];
  const queue: Responder[] = [];
  let always: Responder | undefined;
  let accepted = 0;

  const openRequests = () => [...connections.values()].filter((mockExchange) => mockExchange?.isOpen).length;

  const choose = (request: RecordedRequest): Responder => {
    const rule = rules.find((candidate) => candidate.left > 0 && candidate.matches(request));
    if (rule !== undefined) {
      rule.left -= 1;
      return rule.responder;
    }
    const responder = queue.shift() ?? always;
    if (responder !== undefined) return responder;
    unscripted.push(request);
    const message = `mock upstream: nothing scripted for request ${request.ordinal}, ${request.method} ${request.target}`;
    return status(501, { error: { message } });
  };

  const scriptFor = async (request: RecordedRequest): Promise<Script> => {
    try {
      const responder = choose(request);
      return typeof responder === 'function' ? await responder(request) : responder;
    } catch (cause) {
      faults.push(new Error(`the responder to request ${request.ordinal} threw`, { cause }));
      return json({ error: { message: 'mock upstream: the responder threw' } }, { status: 500 });
    }
  };

  /** Answers one request; false when the connection cannot carry another. */
  const answer = async (connection: MockConnection, mockExchange: MockExchange): Promise<boolean> => {
    const gone = connection.closed.then((end) => {
      mockExchange.finish(end.by === 'client' ? 'aborted' : 'cut');
      return undefined;
    });
    const script = await Promise.race([scriptFor(mockExchange.request), gone]);
    if (script === undefined) return false;
    const wire = compileScript(script);
    if (!(await connection.play(wire, () => mockExchange.pieceSent()))) return false;
    mockExchange.finish(wire.complete ? 'complete' : 'cut');
    if (wire.ending === 'keep-open' && mockExchange.request.headers.get('connection') === 'close')
      connection.end('close');
    return wire.ending === 'keep-open';
  };

  const serve = async (connection: MockConnection): Promise<void> => {
    for (;;) {
      const head = await readHead(connection.reader);
      if (head === undefined) return;
      if (!head.start[2].startsWith('HTTP/1.')) throw new HttpSyntaxError(`version "${head.start[2]}"`);
      const body = await readBody(connection.reader, framingOf(head.headers, 'none'));
      const identity = { ordinal: requests.length + 1, connection: connection.id };
      const mockExchange = new MockExchange(head, body, identity, connection.closed, waiters);
      requests.push(mockExchange.request);
      connections.set(connection, mockExchange);
      waiters.changed();
      if (!(await answer(connection, mockExchange))) return;
    }
  };

  const server = createServer((socket) => {
    accepted += 1;
    const connection = new MockConnection(accepted, socket);
    connections.set(connection, undefined);
    waiters.changed();
    connection.closed.then(() => {
      connections.delete(connection);
      waiters.changed();
    });
    serve(connection).catch((error: unknown) => {
      // A client that goes away in the middle of its request is not at fault.
      if (!(error instanceof TruncatedMessageError)) {
        faults.push(new Error(`connection ${connection.id}: ${String(error)}`, { cause: error }));
      }
      connection.end('close');
    });
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the mock upstream has no port');

  const stop = async (): Promise<void> => {
    const stopped = once(server, 'close');
    server.close();
    for (const connection of connections.keys()) connection.end('destroy');
    await stopped;
    waiters.fail('the mock upstream was closed');
    if (faults.length > 0) {
      throw new AggregateError(faults, `mock upstream: ${faults.map((fault) => fault.message).join('; ')}`);
    }
  };
  let stopping: Promise<void> | undefined;

  return {
    url: `http://127.0.0.1:${address.port}`,
    port: address.port,
    respond: (...responders) => void queue.push(...responders),
    respondAlways: (responder) => {
      always = responder;
    },
    when: (matches, responder, times = Number.POSITIVE_INFINITY) =>
      void rules.push({ matches, responder, left: times }),
    requests,
    unscripted,
    openRequests,
    openConnections: () => connections.size,
    acceptedConnections: () => accepted,
    waitForRequest: async (n) => {
      await waiters.until(`request ${n}`, () => requests.length >= n);
      const request = requests[n - 1];
      if (request === undefined) throw new Error(`requests are counted from 1: ${n}`);
      return request;
    },
    waitForOpen: (count) => waiters.until(`${count} open requests`, () => openRequests() === count),
    waitForConnections: (count) =>
      waiters.until(`${count} open connections`, () => connections.size === count),
    closeIdleConnections: () => {
      for (const [connection, mockExchange] of connections)
        if (!mockExchange?.isOpen) connection.end('destroy');
    },
    close: () => {
      stopping ??= stop();
      return stopping;
    },
  };
}
