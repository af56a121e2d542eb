import { requestBytes } from './connection.ts';
import { DurationRecorder } from './distribution.ts';
import { Failures } from './failures.ts';
import { startAtRate } from './fixed-rate.ts';
import { ConnectionPool } from './pool.ts';
import type { Job, ResultOf } from './protocol.ts';

type JobOf<T extends Job['type']> = Extract<Job, { type: T }>;

const ignoreBody = () => undefined;

/** @returns the bytes of each request by its number in the job */
function requestSource({
  endpoint,
  body,
  rotation,
  rotated = 0,
}: JobOf<'closed'>): (index: number) => Uint8Array {
  if (!rotation) {
    const same = requestBytes(endpoint, body);
    return () => same;
  }
  const { keys, models } = rotation;
  const message: unknown = JSON.parse(body);
  // Bodies are prepared, because the load client shares the machine with its subject.
  const bodies = models.map((model) => JSON.stringify(Object.assign({}, message, { model })));
  return (index) => {
    const turn = rotated + index;
    const headers = { ...endpoint.headers, authorization: `Bearer ${keys[turn % keys.length]}` };
    return requestBytes({ ...endpoint, headers }, bodies[turn % bodies.length] ?? body);
  };
}

export function runProbe(job: JobOf<'probe'>): Promise<ResultOf<'probe'>> {
  const pool = new ConnectionPool(job.endpoint, 1);
  const failures = new Failures();
  let body = '';
  const decoder = new TextDecoder();
  return new Promise((resolve) => {
    pool.send(requestBytes(job.endpoint, job.body), {
      onBody: (bytes, start, end) => {
        body += decoder.decode(bytes.subarray(start, end), { stream: true });
      },
      onDone: (status, error) => {
        if (error) failures.add(error);
        resolve({ status, body, ...failures.summary() });
        pool.close();
      },
    });
  });
}

export function runClosed(job: JobOf<'closed'>): Promise<ResultOf<'closed'>> {
  const pool = new ConnectionPool(job.endpoint, job.connections);
  const request = requestSource(job);
  const latency = new DurationRecorder();
  const failures = new Failures();
  let started = 0;
  let ended = 0;
  return new Promise((resolve) => {
    const next = () => {
      if (started === job.requests) return;
      const bytes = request(started);
      started++;
      const from = performance.now();
      pool.send(bytes, {
        onBody: ignoreBody,
        onDone: (status, error) => {
          if (error !== undefined || status !== 200) failures.add(error ?? `status ${status}`);
          else latency.add(performance.now() - from);
          ended++;
          if (ended === job.requests) {
            resolve({
              completed: latency.summary().count,
              latency: latency.summary(),
              ...failures.summary(),
            });
            pool.close();
          }
          // Later, because this connection is handed back only after this call.
          else queueMicrotask(next);
        },
      });
    };
    for (let index = 0; index < job.connections; index++) next();
  });
}

export async function runRate(job: JobOf<'rate'>): Promise<ResultOf<'rate'>> {
  const pool = new ConnectionPool(job.endpoint, job.maxConnections);
  const request = requestBytes(job.endpoint, job.body);
  const latency = new DurationRecorder();
  const failures = new Failures();
  const total = Math.max(1, Math.round((job.perSecond * job.durationMs) / 1000));
  const untimed = Math.round((job.perSecond * job.untimedMs) / 1000);
  let sent = 0;
  let completed = 0;
  let ended = 0;
  const { promise, resolve } = Promise.withResolvers<void>();
  await startAtRate(total, job.perSecond, () => {
    // From here on waiting for a free connection counts: an overloaded subject can't hide behind a slow sender.
    const from = performance.now();
    const timed = sent++ >= untimed;
    pool.send(request, {
      onBody: ignoreBody,
      onDone: (status, error) => {
        if (error !== undefined || status !== 200) failures.add(error ?? `status ${status}`);
        else {
          completed++;
          if (timed) latency.add(performance.now() - from);
        }
        ended++;
        if (ended === total) resolve();
      },
    });
  });
  await promise;
  pool.close();
  return { completed, latency: latency.summary(), ...failures.summary() };
}
