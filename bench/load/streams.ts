import { EventCounter } from '../http/event-counter.ts';
import { Connection, type LoadRequest, requestBytes } from './connection.ts';
import { DurationRecorder } from './distribution.ts';
import { Failures } from './failures.ts';
import { startAtRate } from './fixed-rate.ts';
import type { Endpoint, Job, ResultOf } from './protocol.ts';

type JobOf<T extends Job['type']> = Extract<Job, { type: T }>;

/** Keep-alive connections for streams, each of which its user may close at any time. */
class StreamConnections {
  private readonly idle: Connection[] = [];

  constructor(private readonly to: Endpoint) {}

  /** @throws when the connection is refused */
  async take(): Promise<Connection> {
    return (
      this.idle.pop() ??
      (await Connection.connect(
        this.to,
        (connection) => this.idle.push(connection),
        (connection) => {
          const at = this.idle.indexOf(connection);
          if (at >= 0) this.idle.splice(at, 1);
        },
      ))
    );
  }

  close(): void {
    for (const connection of [...this.idle]) connection.close();
  }
}

interface Durations {
  readonly firstEvent: DurationRecorder;
  readonly gap: DurationRecorder;
}

interface Measured extends Durations {
  events: number;
  readonly failures: Failures;
}

/** Reads one stream; resolves with whether it came whole (or was cut where it should be). */
async function readStream(
  connections: StreamConnections,
  request: Uint8Array,
  abortAfter: number | undefined,
  into: Measured,
  durations: Durations,
): Promise<boolean> {
  const from = performance.now();
  let connection: Connection;
  try {
    connection = await connections.take();
  } catch (error) {
    into.failures.add(`connect: ${error instanceof Error ? error.message : String(error)}`);
    return false;
  }
  const counter = new EventCounter();
  let last = from;
  return new Promise((resolve) => {
    let aborted = false;
    const pending: LoadRequest = {
      onBody: (bytes, start, end) => {
        const fresh = counter.push(bytes, start, end);
        if (fresh === 0 || aborted) return;
        const now = performance.now();
        if (counter.events === fresh) durations.firstEvent.add(now - from);
        else durations.gap.add(now - last);
        last = now;
        if (abortAfter !== undefined && counter.events >= abortAfter) {
          aborted = true;
          connection.close();
        }
      },
      onDone: (status, error) => {
        into.events += counter.events;
        const whole = aborted || (error === undefined && status === 200 && counter.done);
        if (!whole)
          into.failures.add(error ?? (status === 200 ? 'ended without [DONE]' : `status ${status}`));
        resolve(whole);
      },
    };
    connection.send(request, pending);
  });
}

export async function runStreams(job: JobOf<'streams'>): Promise<ResultOf<'streams'>> {
  const connections = new StreamConnections(job.endpoint);
  const request = requestBytes(job.endpoint, job.body);
  const durations = () => ({ firstEvent: new DurationRecorder(), gap: new DurationRecorder() });
  const measured: Measured = { events: 0, ...durations(), failures: new Failures() };
  const untimed = durations();
  let started = 0;
  let completed = 0;
  let open = 0;
  const running: Promise<void>[] = [];
  await startAtRate(job.count, job.startsPerSecond, () => {
    if (open >= job.maxOpen) {
      measured.failures.add(`more than ${job.maxOpen} streams open at once`);
      return;
    }
    open++;
    const into = started++ < (job.untimed ?? 0) ? untimed : measured;
    running.push(
      readStream(connections, request, job.abortAfter, measured, into).then((whole) => {
        open--;
        if (whole) completed++;
      }),
    );
  });
  await Promise.all(running);
  connections.close();
  return {
    completed,
    events: measured.events,
    firstEvent: measured.firstEvent.summary(),
    gap: measured.gap.summary(),
    ...measured.failures.summary(),
  };
}

/** Streams that stay open until they are released. */
export class HeldStreams {
  private readonly open = new Set<Connection>();
  private events = 0;
  private dropped = 0;

  /** Opens streams, at most `maxPending` of them without their first event, until `count` are open or were tried. */
  async hold(job: JobOf<'hold'>): Promise<ResultOf<'hold'>> {
    const request = requestBytes(job.endpoint, job.body);
    const failures = new Failures();
    let left = job.count - this.open.size;
    const worker = async () => {
      while (left > 0) {
        left--;
        const reason = await this.openOne(job.endpoint, request);
        if (reason !== undefined) failures.add(reason);
      }
    };
    await Promise.all(Array.from({ length: job.maxPending }, worker));
    return { open: this.open.size, ...failures.summary() };
  }

  state(): ResultOf<'held'> {
    return { open: this.open.size, events: this.events, dropped: this.dropped };
  }

  release(): ResultOf<'release'> {
    const closing = [...this.open];
    this.open.clear();
    for (const connection of closing) connection.close();
    this.events = 0;
    this.dropped = 0;
    return { closed: closing.length };
  }

  /** @returns why it did not open; undefined once the first event is there */
  private async openOne(to: Endpoint, request: Uint8Array): Promise<string | undefined> {
    let connection: Connection;
    try {
      connection = await Connection.connect(
        to,
        () => undefined,
        () => undefined,
      );
    } catch (error) {
      return `connect: ${error instanceof Error ? error.message : String(error)}`;
    }
    const counter = new EventCounter();
    return new Promise((resolve) => {
      connection.send(request, {
        onBody: (bytes, start, end) => {
          const fresh = counter.push(bytes, start, end);
          this.events += fresh;
          if (fresh > 0 && counter.events === fresh) {
            this.open.add(connection);
            resolve(undefined);
          }
        },
        onDone: (status, error) => {
          if (this.open.delete(connection)) this.dropped++;
          else resolve(error ?? `status ${status}`);
        },
      });
    });
  }
}
