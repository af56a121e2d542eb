import type { ChatRequest, Message } from '../../core/chat/request.ts';
import type { ChatEvent } from '../../core/chat/result.ts';
import { type ErrorCode, GatewayError } from '../../core/errors.ts';
import type { ChatCall } from '../../core/inference.ts';
import { NO_EVENTS } from '../../core/stream/frame.ts';
import { estimateTokensOf } from '../../core/token-estimate.ts';
import type { Router } from '../../routing/router.ts';
import { ContinuationSeam } from '../continuation-seam.ts';
import {
  type CallScope,
  defineInterceptor,
  type Frame,
  type FrameSink,
  type InferenceCall,
  type InferenceResponse,
  type Interceptor,
  type Next,
  type StreamEnd,
  type StreamTransform,
} from '../interceptor.ts';

/** Failures of a stream that are the target's own, so that another target may do better. */
const TARGET_FAILURES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'upstream_error',
  'upstream_closed',
  'upstream_timeout',
  'upstream_overloaded',
  'upstream_invalid_response',
  'upstream_rate_limited',
]);

const CONTINUATION_PROMPT =
  'Your answer was cut off by a technical fault. Go on from exactly where it stops, in the middle of a word if need be. Write only what comes next: no repetition, no introduction, no apology.';

/** A longer text is not continued: the other target has to read it again. UTF-16 units. */
const MAX_TEXT = 4 * 1024 * 1024;

const encoder = new TextEncoder();

/** Continues a stream of text on another target when its own breaks, so that the client reads one response. */
export const interceptor = defineInterceptor({
  name: 'continuation',
  create: (_, { routes, router }): Interceptor | undefined =>
    routes.some(({ continueStreams }) => continueStreams) ? new ContinuationInterceptor(router) : undefined,
});

class ContinuationInterceptor implements Interceptor {
  readonly name = 'continuation';
  readonly stream = 'rewrite';

  constructor(private readonly router: Router) {}

  applies(call: InferenceCall, { request }: CallScope): boolean {
    if (!request.routing.route?.continueStreams || !call.stream || call.operation !== 'chat') return false;
    const { choices = 1, responseFormat, modalities, logprobs } = call.chat();
    const isText = responseFormat === undefined || responseFormat.type === 'text';
    return isText && choices === 1 && !modalities && !logprobs;
  }

  async handle(call: InferenceCall, scope: CallScope, next: Next): Promise<InferenceResponse> {
    const response = await next(call, scope);
    const { body } = response;
    if (body.kind !== 'stream' || call.operation !== 'chat') return response;
    const state = new StreamedText();
    const run: ContinuationRun = { call, scope, next: (continued) => this.#continue(continued, scope, next) };
    const stream = body.stream.through(new Continuation(run, state, false));
    return { ...response, body: { kind: 'stream', stream } };
  }

  /** @throws GatewayError where a limit has no room for another call */
  async #continue(call: ChatCall, scope: CallScope, next: Next): Promise<InferenceResponse> {
    const { routing, limits } = scope.request;
    const { route } = routing;
    const reserving = route && limits.reserveMore?.(call, this.router.possibleRoutes(route));
    if (reserving !== undefined && !(await reserving)) {
      throw new GatewayError('quota_exceeded', 'The limits of this request have no room for a continuation.');
    }
    return next(call, scope);
  }
}

/** A streamed call, and how it is continued. */
interface ContinuationRun {
  readonly call: ChatCall;
  readonly scope: CallScope;
  readonly next: (call: ChatCall) => Promise<InferenceResponse>;
}

/** What the client has read so far, across all targets. */
class StreamedText {
  text = '';
  /** The part that is open in the client's stream. */
  open: 'text' | 'other' | undefined;
  /** Whether the response is text and reasoning only, so far. */
  isPlain = true;
  hasFinished = false;
  /** The text is not complete, because it is longer than what can be continued. */
  isTooLong = false;

  follow(event: ChatEvent): void {
    switch (event.type) {
      case 'part-start':
        this.open = event.part.type === 'text' ? 'text' : 'other';
        if (event.part.type !== 'text' && event.part.type !== 'reasoning') this.isPlain = false;
        break;
      case 'delta':
        if (this.open === 'text') this.#add(event.text);
        break;
      case 'part-end':
        this.open = undefined;
        break;
      case 'finish':
        this.hasFinished = true;
        break;
    }
  }

  #add(text: string): void {
    if (this.text.length + text.length <= MAX_TEXT) this.text += text;
    else this.isTooLong = true;
  }
}

/** Follows one target's stream, and splices another one where it breaks. */
class Continuation implements StreamTransform {
  /** The open part is reasoning about the interruption, which the client does not receive. */
  #skipping = false;
  readonly #seam: ContinuationSeam;

  constructor(
    private readonly run: ContinuationRun,
    private readonly state: StreamedText,
    /** The stream continues another one. */
    private readonly isContinuation: boolean,
  ) {
    this.#seam = new ContinuationSeam(isContinuation ? state.text : '');
  }

  frame(frame: Frame, out: FrameSink): void {
    if (frame.events.length === 0) {
      out.write(frame);
      return;
    }
    // Rendered even where the bytes would do: two targets' bytes do not make one response.
    const events: ChatEvent[] = [];
    for (const given of frame.events) {
      for (const event of this.isContinuation ? this.#continuationEvents(given) : [given]) {
        this.state.follow(event);
        events.push(event);
      }
    }
    if (events.length > 0) out.insert(...events);
  }

  /** Events that continue the client's stream: no second start, and text is added to the open part. */
  #continuationEvents(event: ChatEvent): readonly ChatEvent[] {
    switch (event.type) {
      case 'start':
        return NO_EVENTS;
      case 'part-start':
        if (event.part.type === 'reasoning') {
          this.#skipping = true;
          return NO_EVENTS;
        }
        if (event.part.type === 'text' && this.state.open === 'text') return NO_EVENTS;
        return [...this.#closing(), event];
      case 'delta':
        if (this.#skipping) return NO_EVENTS;
        return this.state.open === 'text' ? textDelta(this.#seam.push(event.text)) : [event];
      case 'part-end':
        if (!this.#skipping) return this.state.open === 'text' ? this.#closing() : [event];
        this.#skipping = false;
        return NO_EVENTS;
      case 'finish':
      case 'end':
        return [...this.#closing(), event];
      default:
        return this.#skipping && event.type !== 'usage' && event.type !== 'ping' ? NO_EVENTS : [event];
    }
  }

  /** The rest of the open text, and its end. */
  #closing(): readonly ChatEvent[] {
    if (this.state.open !== 'text') return NO_EVENTS;
    return [...textDelta(this.#seam.close()), { type: 'part-end', choice: 0 }];
  }

  end(end: StreamEnd, out: FrameSink): void {
    const { scope } = this.run;
    if (end.kind !== 'failed' || scope.signal.aborted) return;
    const { error } = end;
    const { routing } = scope.request;
    const { text, isPlain, hasFinished, isTooLong } = this.state;
    const canContinue =
      TARGET_FAILURES.has(error.code) && isPlain && !hasFinished && !isTooLong && text !== '';
    if (!canContinue || !routing.plan?.failed(error)) return;
    this.#estimateUsage();
    const release = out.hold();
    this.run
      .next(this.#continuedCall())
      .then(
        (response) => this.#splice(response, out),
        () => out.fail(scope.request.abortReason ?? error),
      )
      .finally(release);
  }

  #splice({ source, body }: InferenceResponse, out: FrameSink): void {
    if (body.kind !== 'stream') {
      out.fail(new GatewayError('internal_error', 'A stream was expected, and a complete response came.'));
      return;
    }
    const { respondedBy } = this.run.scope.request.routing;
    if (respondedBy) respondedBy.continued = true;
    const by = source.kind === 'target' ? `${source.target.provider.id}/${source.target.model}` : source.name;
    const comment = `: continued by ${by.replaceAll(/[\r\n]/g, ' ')} after ${this.state.text.length} characters\n\n`;
    out.write({ bytes: encoder.encode(comment), events: NO_EVENTS });
    const next = new Continuation(this.run, this.state, true);
    out.splice(body.stream.through(next));
  }

  /** What a stream used that broke, where its target did not report it. */
  #estimateUsage(): void {
    const { routing } = this.run.scope.request;
    const cut = routing.respondedBy;
    if (!cut || cut.usage) return;
    const inputTokens = estimateTokensOf(this.run.call.text);
    cut.usage = { inputTokens, outputTokens: estimateTokensOf(this.state.text), raw: {} };
    cut.estimated = true;
  }

  /** The conversation with the text so far, which the target continues. Never forwarded as it is: see `dialect`. */
  #continuedCall(): ChatCall {
    const { call } = this.run;
    const request = call.chat();
    const { text } = this.state;
    const { maxOutputTokens } = request;
    const continued: ChatRequest = {
      ...request,
      messages: withBeginning(request.messages, text),
      continueWith: CONTINUATION_PROMPT,
      ...(maxOutputTokens === undefined
        ? {}
        : { maxOutputTokens: Math.max(1, maxOutputTokens - estimateTokensOf(text)) }),
    };
    const { dialect } = call;
    const added = Buffer.byteLength(text) + Buffer.byteLength(CONTINUATION_PROMPT);
    return {
      ...call,
      unwrittenBytes: (call.unwrittenBytes ?? 0) + added,
      chat: () => continued,
      // A dialect that no target speaks, so that the canonical request is used.
      dialect: {
        name: 'weir-continued',
        toChat: (body) => dialect.toChat(body),
        requestView: (body) => dialect.requestView(body),
        renderResult: (result, about) => dialect.renderResult(result, about),
        streamWriter: (about) => dialect.streamWriter(about),
      },
    };
  }
}

/** Adds the beginning of the response, to one that the client sent or as a message of its own. */
function withBeginning(messages: readonly Message[], text: string): readonly Message[] {
  const part = { type: 'text', text } as const;
  const last = messages.at(-1);
  if (last?.role !== 'assistant') return [...messages, { role: 'assistant', content: [part] }];
  return [...messages.slice(0, -1), { ...last, content: [...last.content, part] }];
}

function textDelta(text: string): readonly ChatEvent[] {
  return text === '' ? NO_EVENTS : [{ type: 'delta', choice: 0, text }];
}
