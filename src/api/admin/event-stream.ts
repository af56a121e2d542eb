import { z } from 'zod';
import { GatewayError } from '../../core/errors.ts';
import { PushStream, type StreamSource } from '../../core/push-stream.ts';
import { eventPayload } from '../../events/event-payload.ts';
import type { EventReader } from '../../events/event-reader.ts';
import type { HttpContext } from '../../http/http-context.ts';
import type { HttpRouter } from '../../http/http-router.ts';
import { queryFields, queryOf } from '../../http/query.ts';
import { eventStreamResponse } from '../../http/response.ts';
import { NO_BODY, type RoutePolicy } from '../../http/route-policy.ts';
import type { Actor } from '../../tenancy/actor.ts';
import type { Permission } from '../../tenancy/permissions.ts';
import type { ApiServices } from '../services.ts';
import { validate } from '../validation.ts';
import type { AdminServices } from './services.ts';

export const eventStreamQuery = z.object({
  after: z.string().max(100).optional().describe('The id of an event: those after it are sent.'),
});

/** Seconds of a stream: its client connects again, and so shows again who it is. */
const MAX_SECONDS = 300;
/** Seconds after which a reader that takes nothing is cut off. */
const MAX_FULL_SECONDS = 30;
const POLL_MS = 1_000;
const BATCH = 100;
const MAX_STREAMS = 100;
const MAX_OF_ACTOR = 10;

/** Adds the routes that follow the events of a tenant, and those of the installation. */
export function addEventStreamRoutes(
  router: HttpRouter,
  { callers, lifecycle }: Pick<ApiServices, 'callers' | 'lifecycle'>,
  { events }: Pick<AdminServices, 'events'>,
): void {
  const open = new Set<EventStream>();
  const add = (path: string, permission: Permission) => {
    const policy: RoutePolicy<Actor> = { access: callers.permitted(permission), body: NO_BODY };
    router.route('GET', path, policy, async (httpContext, actor) => {
      assertRoom(open, actor.id);
      const { tenant } = httpContext.params;
      const after = await startOf(events, tenant, httpContext);
      const stream = new EventStream(events, tenant, after, actor.id, {
        isEnding: () => lifecycle.state !== 'ready',
        onEnd: () => open.delete(stream),
      });
      open.add(stream);
      return eventStreamResponse(stream.body, {});
    });
  };
  add('/admin/v1/events/stream', 'platform:read');
  add('/admin/v1/tenants/:tenant/events/stream', 'events:read');
}

function assertRoom(open: ReadonlySet<EventStream>, actor: string): void {
  const own = [...open].filter((stream) => stream.actor === actor).length;
  if (open.size < MAX_STREAMS && own < MAX_OF_ACTOR) return;
  throw new GatewayError('rate_limit_exceeded', 'Too many streams of events are open. Close one first.', {
    headers: { 'retry-after': '5' },
  });
}

/** @returns the sequence after which events are sent */
async function startOf(
  events: EventReader,
  tenant: string | undefined,
  { request }: HttpContext,
): Promise<number> {
  const query = validate(eventStreamQuery, queryFields(queryOf(request)));
  const id = request.headers.get('last-event-id') || query.after;
  if (!id) return events.head();
  const event = await events.find(tenant, id);
  if (event) return event.sequence;
  throw new GatewayError('not_found', 'There is no such event any more. Connect without "after".', {
    param: 'after',
  });
}

/** One open stream. */
class EventStream implements StreamSource {
  readonly body = new PushStream(this);
  readonly #timer: ReturnType<typeof setInterval>;
  #isFull = false;
  #isReading = false;
  #isOver = false;
  #seconds = 0;
  #fullSeconds = 0;

  constructor(
    private readonly events: EventReader,
    private readonly tenant: string | undefined,
    private sequence: number,
    readonly actor: string,
    private readonly options: { isEnding(): boolean; onEnd(): void },
  ) {
    this.body.push(new TextEncoder().encode('retry: 1000\n: connected\n\n'));
    this.#timer = setInterval(() => this.#tick(), POLL_MS);
    void this.#read();
  }

  onDrain(): void {
    this.#isFull = false;
    void this.#read();
  }

  onCancel(): void {
    this.#end();
  }

  #tick(): void {
    this.#seconds += 1;
    this.#fullSeconds = this.#isFull ? this.#fullSeconds + 1 : 0;
    if (this.#seconds >= MAX_SECONDS || this.#fullSeconds >= MAX_FULL_SECONDS || this.options.isEnding()) {
      this.#end();
      return;
    }
    if (this.#seconds % 15 === 0 && !this.#isFull) this.#push(': keep-alive\n\n');
    void this.#read();
  }

  /** Never rejects: while the database is unreachable, the stream ends, and its client connects again. */
  async #read(): Promise<void> {
    if (this.#isReading || this.#isFull) return;
    this.#isReading = true;
    try {
      while (!this.#isFull && !this.#isOver) {
        const found = await this.events.after(this.tenant, this.sequence, BATCH);
        for (const event of found) {
          this.sequence = event.sequence;
          this.#push(
            `id: ${event.id}\nevent: ${event.type}\ndata: ${JSON.stringify(eventPayload(event))}\n\n`,
          );
        }
        if (found.length < BATCH) return;
      }
    } catch {
      this.#end();
    } finally {
      this.#isReading = false;
    }
  }

  #push(text: string): void {
    if (!this.#isOver && !this.body.push(new TextEncoder().encode(text))) this.#isFull = true;
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearInterval(this.#timer);
    this.body.close();
    this.options.onEnd();
  }
}
