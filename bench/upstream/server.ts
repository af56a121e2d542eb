import { z } from 'zod';
import { FramingError, MessageReader } from '../http/message-reader.ts';
import { type ChatAnswers, chatAnswers, jsonAnswer, messageAnswers } from './answers.ts';

/** What `GET /bench/stats` answers. */
export const upstreamStats = z.object({
  openConnections: z.number(),
  openStreams: z.number(),
  requests: z.number(),
  streamsStarted: z.number(),
  streamsCompleted: z.number(),
  /** Streams whose connection closed before their last event. */
  streamsAborted: z.number(),
});
export type UpstreamStats = z.infer<typeof upstreamStats>;

/** The fields of a chat request that steer the mock; they pass through a gateway because unknown fields are forwarded. */
const steering = z.object({
  stream: z.boolean().default(false),
  stream_options: z.object({ include_usage: z.boolean().optional() }).nullish(),
  bench_chunks: z.number().int().min(2).max(1_000_000).default(20),
  bench_interval_ms: z.number().min(0).max(300_000).default(20),
  bench_hold: z.boolean().default(false),
});
type Steering = z.infer<typeof steering>;

const HOLD_INTERVAL_MS = 30_000;
const MAX_REQUEST_BYTES = 8 * 1024 * 1024;

const NO_ANSWER = new Uint8Array(0);

type StreamAnswers = Omit<ChatAnswers, 'completions' | 'usage'> & Partial<Pick<ChatAnswers, 'usage'>>;

interface Shared {
  readonly answers: ChatAnswers;
  readonly messages: StreamAnswers;
  readonly stats: UpstreamStats;
}

type RawSocket = Bun.Socket<UpstreamConnection>;

/** One connection: reads requests one after another, and writes each answer. */
class UpstreamConnection {
  private readonly reader: MessageReader;
  private requestLine = '';
  private body: Uint8Array[] = [];
  private bodyBytes = 0;
  private keepAlive = true;
  private unsent: Uint8Array | undefined;
  private timer: ReturnType<typeof setInterval> | undefined;
  private streaming = false;

  constructor(
    private readonly socket: RawSocket,
    private readonly shared: Shared,
  ) {
    this.reader = new MessageReader('request', {
      onHead: (line) => {
        this.requestLine = line;
      },
      onBody: (bytes, start, end) => {
        this.bodyBytes += end - start;
        if (this.bodyBytes > MAX_REQUEST_BYTES) throw new FramingError('request body is too long');
        this.body.push(bytes.slice(start, end));
      },
      onEnd: (keepAlive) => {
        this.keepAlive = keepAlive;
        this.answer();
      },
    });
  }

  receive(bytes: Uint8Array): void {
    try {
      this.reader.push(bytes);
    } catch (error) {
      if (!(error instanceof FramingError)) throw error;
      this.socket.end();
    }
  }

  drain(): void {
    const rest = this.unsent;
    this.unsent = undefined;
    if (rest) this.write(rest);
  }

  closed(): void {
    if (!this.streaming) return;
    this.stopStream();
    this.shared.stats.streamsAborted++;
  }

  private answer(): void {
    const { answers, stats } = this.shared;
    const pieces = this.body;
    this.body = [];
    this.bodyBytes = 0;
    // One answer at a time: a client that pipelines behind a stream is not what this measures.
    if (this.streaming) {
      this.socket.end();
      return;
    }
    stats.requests++;
    const path = this.requestLine.split(' ')[1] ?? '';
    if (path === '/bench/stats') {
      this.finish(jsonAnswer('200 OK', stats));
    } else if (path === '/v1/models') {
      this.finish(jsonAnswer('200 OK', { object: 'list', data: [{ id: 'mock-model', object: 'model' }] }));
    } else if (path === '/v1/chat/completions') {
      const request = readSteering(pieces);
      if (!request) this.finish(jsonAnswer('400 Bad Request', { error: { message: 'not a chat request' } }));
      else if (request.stream) this.startStream(request, answers);
      else this.finish(answers.completions[stats.requests % answers.completions.length] ?? NO_ANSWER);
    } else if (path === '/v1/messages') {
      const request = readMessageSteering(pieces);
      if (request) this.startStream(request, this.shared.messages);
      else this.finish(jsonAnswer('400 Bad Request', { error: { message: 'not a streaming message' } }));
    } else {
      this.finish(jsonAnswer('404 Not Found', { error: { message: 'no such path' } }));
    }
  }

  private startStream(request: Steering, answers: StreamAnswers): void {
    const { stats } = this.shared;
    stats.streamsStarted++;
    stats.openStreams++;
    this.streaming = true;
    this.write(Buffer.concat([answers.streamHead, answers.first]));
    let sent = 1;
    const interval = request.bench_hold ? HOLD_INTERVAL_MS : request.bench_interval_ms;
    this.timer = setInterval(() => {
      // A slow reader holds its own stream back, and nothing piles up here.
      if (this.unsent) return;
      sent++;
      if (request.bench_hold || sent < request.bench_chunks) {
        this.write(answers.middle[sent % answers.middle.length] ?? answers.first);
        return;
      }
      this.stopStream();
      stats.streamsCompleted++;
      const tail = request.stream_options?.include_usage && answers.usage ? [answers.usage] : [];
      this.finish(Buffer.concat([answers.last, ...tail, answers.done]));
    }, interval);
  }

  private stopStream(): void {
    clearInterval(this.timer);
    this.streaming = false;
    this.shared.stats.openStreams--;
  }

  private finish(bytes: Uint8Array): void {
    this.write(bytes);
    if (!this.keepAlive) this.socket.end();
  }

  private write(bytes: Uint8Array): void {
    if (this.unsent) {
      this.unsent = Buffer.concat([this.unsent, bytes]);
      return;
    }
    const written = this.socket.write(bytes);
    if (written >= 0 && written < bytes.length) this.unsent = bytes.subarray(written);
  }
}

function readSteering(pieces: Uint8Array[]): Steering | undefined {
  try {
    const json: unknown = JSON.parse(Buffer.concat(pieces).toString());
    // Validation only where it steers something: the non-streaming path stays as cheap as JSON.parse.
    if (typeof json === 'object' && json !== null && !('stream' in json && json.stream === true)) {
      return { stream: false, bench_chunks: 0, bench_interval_ms: 0, bench_hold: false };
    }
    return steering.safeParse(json).data;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

const STEERING_USER = /"user_id":"bench-(\d+)-(\d+)"/;

/** Fields of its own get lost in a translation, so that the name of the user steers the mock there. */
function readMessageSteering(pieces: Uint8Array[]): Steering | undefined {
  const match = STEERING_USER.exec(Buffer.concat(pieces).toString());
  return match
    ? {
        stream: true,
        bench_chunks: Number(match[1]),
        bench_interval_ms: Number(match[2]),
        bench_hold: false,
      }
    : undefined;
}

export interface Upstream {
  readonly port: number;
  readonly stats: Readonly<UpstreamStats>;
  stop(): void;
}

/** Starts the mock upstream: an OpenAI-compatible server on bare sockets. @param port 0 picks a free one */
export function startUpstream(options: { hostname: string; port: number; model: string }): Upstream {
  const stats: UpstreamStats = {
    openConnections: 0,
    openStreams: 0,
    requests: 0,
    streamsStarted: 0,
    streamsCompleted: 0,
    streamsAborted: 0,
  };
  const shared: Shared = {
    answers: chatAnswers(options.model),
    messages: messageAnswers(options.model),
    stats,
  };
  const listener = Bun.listen<UpstreamConnection>({
    hostname: options.hostname,
    port: options.port,
    socket: {
      open(socket) {
        stats.openConnections++;
        socket.setNoDelay(true);
        socket.data = new UpstreamConnection(socket, shared);
      },
      data: (socket, bytes) => socket.data.receive(bytes),
      drain: (socket) => socket.data.drain(),
      close(socket) {
        stats.openConnections--;
        socket.data.closed();
      },
      // A reset by the other side is an abort; `close` follows and counts it.
      error: () => undefined,
    },
  });
  return { port: listener.port, stats, stop: () => listener.stop(true) };
}
