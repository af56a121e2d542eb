import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { credentials, status } from '@grpc/grpc-js';
import { sharedCertificate } from '../support/certificates.ts';
import { createGate } from '../support/gate.ts';
import {
  collected,
  detailsOf,
  failure,
  HEALTH,
  startGrpcGateway,
  TestGrpcClient,
  WEIR,
} from '../support/grpc-gateway.ts';
import { chatEvent } from '../support/inference.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { slow } from '../support/scripts.ts';
import { mockConfig } from './harness.ts';

let mock: MockUpstream;
beforeAll(async () => {
  mock = await startMockUpstream();
});
afterAll(() => mock.close());

const hello = { model: 'chat', messages: [{ role: 'user', content: { text: 'Hi' } }] };

describe('TLS and shutdown', () => {
  test('serves TLS with the certificate, and uses another one for new connections', async () => {
    const { cert, key } = sharedCertificate();
    const secure = await startGrpcGateway({ tls: { cert, key } });
    const trusted = credentials.createSsl(Buffer.from(cert));
    const connected = new TestGrpcClient(`localhost:${secure.port}`, secure.adminKey, trusted);
    try {
      expect((await connected.unary(`${HEALTH}/Check`, {})).message).toEqual({ status: 'SERVING' });
      secure.server.useCredentials({ cert, key });
      const again = new TestGrpcClient(`localhost:${secure.port}`, secure.adminKey, trusted);
      expect((await again.unary(`${WEIR}/ListModels`, {})).message).toHaveProperty('data');
      again.close();
    } finally {
      connected.close();
      await secure.close();
    }
  });

  test('watchers that ask at the same time share one check', async () => {
    const own = await startGrpcGateway();
    const connected = own.connect();
    const checks = async () => {
      const page = await own.gateway.metrics.render();
      return Number(/^http_requests_total\{[^}]*route="\/health\/ready"[^}]*\} (\d+)/m.exec(page)?.[1] ?? 0);
    };
    const watches = Array.from({ length: 10 }, () => connected.open(`${HEALTH}/Watch`, {}, { key: '' }));
    await Promise.all(
      watches.map(async (watch) => {
        watch.on('error', () => undefined);
        await new Promise<void>((resolve) => watch.once('data', () => resolve()));
      }),
    );
    const before = await checks();
    expect(before).toBeGreaterThan(0);
    own.tick();
    await own.settled();
    expect(await checks()).toBe(before + 1);
    for (const watch of watches) watch.cancel();
    await own.close();
  });

  test('a draining gateway rejects calls with a status to retry, watchers learn it, and streams end well', async () => {
    const own = await startGrpcGateway({ config: mockConfig(mock.url, { limits: { per_ip: null } }) });
    const connected = own.connect();
    const gate = createGate();
    mock.respond(slow([chatEvent('Hel'), chatEvent('lo', 'stop'), 'data: [DONE]\n\n'], gate));
    gate.release();
    const watch = connected.open(`${HEALTH}/Watch`, {}, { key: '' });
    const states: unknown[] = [];
    watch.on('data', (state: unknown) => states.push(state));
    watch.on('error', () => undefined);
    const running = connected.open(`${WEIR}/StreamChatCompletion`, hello);
    const ended = collected(running);
    await new Promise<void>((resolve) => running.once('data', () => resolve()));
    void own.gateway.lifecycle.drain();
    own.tick();
    const error = await failure(connected.unary(`${WEIR}/ChatCompletion`, hello));
    expect(error.code).toBe(status.UNAVAILABLE);
    expect(detailsOf(error)).toMatchObject({ ErrorInfo: { reason: 'SHUTTING_DOWN' }, RetryInfo: 1 });
    expect(states).toEqual([{ status: 'SERVING' }, { status: 'NOT_SERVING' }]);
    own.server.retireConnections();
    gate.open();
    expect((await ended).status.code).toBe(status.OK);
    watch.cancel();
    await own.close();
  });
});
