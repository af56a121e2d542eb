import { describe, expect, test } from 'bun:test';
import { FakeClock, settle } from '../../test/support/fake-clock.ts';
import { FakeTransport } from '../../test/support/fake-transport.ts';
import { asHttpRequest, asResponse } from '../../test/support/web-messages.ts';
import { GatewayError } from '../core/errors.ts';
import { HttpContext } from '../http/http-context.ts';
import { Lifecycle } from '../pipeline/lifecycle.ts';
import type { Region } from '../regions/regions.ts';
import { RegionRelay } from './region-relay.ts';

const EU: Region = {
  id: 'eu',
  address: 'https://eu.example',
  share: null,
  failover: 'automatic',
  state: 'auto',
};
const TIMEOUT_MS = 10_000;

function relayed(init: RequestInit = { method: 'POST', body: 'the body' }, maxForwarded = 10) {
  const clock = new FakeClock();
  const transport = new FakeTransport();
  const lifecycle = new Lifecycle();
  const gone = new AbortController();
  const finished: number[] = [];
  const request = asHttpRequest(
    new Request('http://us.example/v1/chat?x=1', { ...init, signal: gone.signal }),
  );
  const httpContext = new HttpContext(request, 'req_1', 0, (_, status) => finished.push(status));
  httpContext.bodyLimit = 100;
  const relay = new RegionRelay({ clock, transport, lifecycle, maxForwarded: () => maxForwarded });
  const sending = relay.send(httpContext, EU, { 'x-signed': 'yes' }, clock.now() + TIMEOUT_MS);
  sending.catch(() => undefined);
  return { clock, transport, lifecycle, gone, finished, sending };
}

async function failure(sending: Promise<unknown>): Promise<GatewayError> {
  const error = await sending.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof GatewayError) return error;
  throw new Error('no GatewayError');
}

async function callOf({ transport }: { transport: FakeTransport }) {
  await settle();
  const [call] = transport.upstreamCalls;
  if (!call) throw new Error('nothing was sent');
  return call;
}

describe('a forwarded request', () => {
  test('is sent once, with its path, body and headers, but those of the connection', async () => {
    const one = relayed({
      method: 'PATCH',
      body: 'the body',
      headers: {
        authorization: 'Bearer k',
        connection: 'close, x-private',
        'x-private': '1',
        te: 'trailers',
      },
    });
    const call = await callOf(one);
    expect(call.request).toMatchObject({ method: 'PATCH', url: 'https://eu.example/v1/chat?x=1' });
    expect(new TextDecoder().decode(Buffer.from(call.request.body ?? ''))).toBe('the body');
    const { authorization, connection, te, ...rest } = call.request.headers;
    expect({ authorization, connection, te }).toEqual({
      authorization: 'Bearer k',
      connection: undefined,
      te: undefined,
    });
    expect(rest).toMatchObject({ 'x-signed': 'yes' });
    expect(rest).not.toHaveProperty('x-private');
    call.head(201, {
      'content-length': '3',
      'content-type': 'text/plain',
      connection: 'keep-alive',
      date: 'today',
    });
    call.data('yes');
    call.end();
    const response = asResponse(await one.sending);
    expect([response.status, await response.text()]).toEqual([201, 'yes']);
    expect(Object.fromEntries(response.headers)).toEqual({
      'content-type': 'text/plain',
      'x-weir-region': 'eu',
    });
    expect(one.transport.upstreamCalls.length).toBe(1);
    expect(one.lifecycle.relayed).toBe(0);
  });

  test('that could not be sent can be repeated, and one that may have been executed is not', async () => {
    for (const [kind, status, retry] of [
      ['connect', 503, 5],
      ['connect_timeout', 503, 5],
      ['closed_before_response', 502, undefined],
      ['protocol', 502, undefined],
    ] as const) {
      const one = relayed();
      (await callOf(one)).fail(kind);
      const error = await failure(one.sending);
      expect([error.code, error.status, error.details.retryAfterSeconds]).toEqual([
        'region_unavailable',
        status,
        retry,
      ]);
      expect(error.message).toContain(retry === undefined ? 'may have been executed' : 'was not sent');
      expect([one.transport.upstreamCalls.length, one.lifecycle.relayed]).toEqual([1, 0]);
    }
  });

  test('ends with its deadline', async () => {
    const one = relayed();
    const call = await callOf(one);
    one.clock.advance(TIMEOUT_MS);
    expect((await failure(one.sending)).code).toBe('deadline_exceeded');
    expect(call.state).toBe('aborted');
  });

  test('ends with its client, also while its response is streamed', async () => {
    const early = relayed();
    const call = await callOf(early);
    early.gone.abort();
    expect((await failure(early.sending)).code).toBe('client_closed_request');
    expect(call.state).toBe('aborted');

    const late = relayed();
    const streamed = await callOf(late);
    streamed.head();
    const response = asResponse(await late.sending);
    expect(late.lifecycle.relayed).toBe(1);
    await response.body?.cancel();
    expect([streamed.state, late.lifecycle.relayed]).toEqual(['aborted', 0]);
  });

  test('whose stream breaks does not end cleanly', async () => {
    const one = relayed();
    const call = await callOf(one);
    call.head();
    const response = asResponse(await one.sending);
    call.data('data: 1\n\n');
    call.fail();
    expect(await response.text().catch((error: unknown) => error)).toBeInstanceOf(GatewayError);
    expect([one.finished, one.lifecycle.relayed]).toEqual([[502], 0]);
  });

  test('is streamed no faster than the client reads', async () => {
    const one = relayed();
    const call = await callOf(one);
    call.head();
    const reader = asResponse(await one.sending).body?.getReader();
    let sent = 0;
    while (!call.paused && sent < 100) {
      call.data('x');
      sent += 1;
    }
    expect(sent).toBeLessThan(20);
    for (let at = 0; at < sent; at += 1) await reader?.read();
    await settle();
    expect(call.paused).toBe(false);
    call.end();
    expect((await reader?.read())?.done).toBe(true);
    expect(one.finished).toEqual([200]);
  });

  test('is rejected while as many are under way as may be, and with a body that is too large', async () => {
    const full = relayed(undefined, 0);
    const error = await failure(full.sending);
    expect([error.code, error.message]).toEqual([
      'gateway_overloaded',
      expect.stringContaining('https://eu.example'),
    ]);
    const large = relayed({ method: 'POST', body: 'x'.repeat(101) });
    expect((await failure(large.sending)).code).toBe('request_too_large');
    expect([large.transport.upstreamCalls.length, large.lifecycle.relayed]).toEqual([0, 0]);
  });

  test('is completed by a gateway that drains, or aborted when it stops', async () => {
    const one = relayed();
    const call = await callOf(one);
    let isIdle = false;
    const draining = one.lifecycle.drain().then(() => {
      isIdle = true;
    });
    await settle();
    expect(isIdle).toBe(false);
    one.lifecycle.abortAll();
    await draining;
    expect(call.state).toBe('aborted');
    expect((await failure(one.sending)).code).toBe('shutting_down');
  });
});
