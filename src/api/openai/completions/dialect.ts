import type { ClientDialect, RenderContext } from '../../../core/chat/dialect.ts';
import type { ChatRequest } from '../../../core/chat/request.ts';
import type { ChatEvent, ChatEventWriter, ChatResult, TokenLogprobs } from '../../../core/chat/result.ts';
import { GatewayError } from '../../../core/errors.ts';
import { asCount } from '../../../core/json.ts';
import type { Usage } from '../../../core/usage.ts';
import { limitMembers } from '../../limit-members.ts';
import { openAiAffinityKey, PromptView } from '../../prompt-view.ts';
import { generationDemand, promptCount } from '../../request-demand.ts';
import { unreadMembers } from '../../unread-members.ts';
import { unrendered } from '../../unrendered.ts';
import { KNOWN_IN_CHAT } from '../chat/known-members.ts';
import { readParameters } from '../chat/parameters.ts';
import { chatResponseView } from '../chat/response-view.ts';
import { finishName, wireUsage } from '../chat/wire.ts';
import { CompletionLogprobs } from './logprobs.ts';

/** A prompt that one user message can stand for. */
function onlyPrompt(prompt: unknown): string {
  if (typeof prompt === 'string') return prompt;
  const [only, ...more]: unknown[] = Array.isArray(prompt) ? prompt : [];
  if (typeof only === 'string' && more.length === 0) return only;
  throw new GatewayError(
    'invalid_request',
    '"prompt" must be one text: only upstreams with this endpoint of their own take token ids or several prompts.',
    { param: 'prompt' },
  );
}

function identity(id: string | undefined, created: number | undefined, renderContext: RenderContext) {
  return {
    id: id ?? `cmpl-${renderContext.requestId}`,
    object: 'text_completion',
    created: created ?? renderContext.createdSeconds,
    model: renderContext.model,
  };
}

/** OpenAI's legacy completions; upstreams that only chat are asked as a user would ask. */
export const openAiCompletionsDialect: ClientDialect = {
  name: 'openai-completions',

  toChat({ prompt, logprobs, ...rest }): ChatRequest {
    // Here `logprobs` is a number: how many alternatives are wanted.
    const wanted = typeof logprobs === 'number' ? { logprobs: true, top_logprobs: logprobs } : {};
    const { extensions, ...parameters } = readParameters({ ...rest, ...wanted });
    return {
      messages: [{ role: 'user', content: [{ type: 'text', text: onlyPrompt(prompt) }] }],
      ...parameters,
      ...(extensions ? { extensions: { ...extensions, dialect: 'openai-completions' } } : {}),
    };
  },

  unreadMembers: (body) => unreadMembers(body, KNOWN_IN_CHAT),

  requestView: (body) => {
    const { prompt } = body;
    const outputLimit = asCount(body.max_tokens);
    return new PromptView({
      outputLimit,
      affinityKey: openAiAffinityKey(body),
      messages: prompt,
      requestDemand: () =>
        generationDemand(body, { prompt: undefined, prompts: promptCount(prompt), outputLimit }),
    });
  },
  responseView: chatResponseView,
  // A prompt to complete does not support instructions.
  edit: (text, body, change) =>
    change.type === 'limit-output' ? limitMembers(text, body, change.max, ['max_tokens']) : undefined,

  unrendered: (result) =>
    unrendered(result, {
      part: ({ type }) => type === 'text',
      citation: () => false,
      severalChoices: true,
      logprobs: true,
    }),

  renderResult(result: ChatResult, renderContext): string {
    const choices = result.choices.map(({ index, content, finish, logprobs }) => ({
      index,
      text: content.map((part) => (part.type === 'text' ? part.text : '')).join(''),
      logprobs: logprobs ? new CompletionLogprobs().next(logprobs) : null,
      finish_reason: finishName(finish, false),
    }));
    return JSON.stringify({
      ...identity(result.id, result.created, renderContext),
      choices,
      ...(result.usage === undefined ? {} : { usage: wireUsage(result.usage) }),
    });
  },

  streamWriter: (renderContext) => new CompletionWriter(renderContext),
};

class CompletionWriter implements ChatEventWriter {
  #identity: object = {};
  #usage: Usage | undefined;
  readonly #inText = new Map<number, boolean>();
  readonly #logprobs = new Map<number, CompletionLogprobs>();

  constructor(private readonly renderContext: RenderContext) {}

  event(event: ChatEvent): string {
    switch (event.type) {
      case 'start':
        this.#identity = identity(event.id, event.created, this.renderContext);
        return '';
      case 'part-start':
        this.#inText.set(event.choice, event.part.type === 'text');
        return '';
      case 'delta':
        return this.#inText.get(event.choice)
          ? this.#chunk(event.choice, event.text, null, event.logprobs)
          : '';
      case 'finish':
        return this.#chunk(event.choice, '', finishName(event.finish, false));
      case 'usage':
        this.#usage = event.usage;
        return '';
      case 'ping':
        return ': keep-alive\n\n';
      case 'end': {
        const wanted = this.renderContext.includesStreamUsage && this.#usage;
        const last = wanted ? { ...this.#identity, choices: [], usage: wireUsage(wanted) } : undefined;
        return `${last ? `data: ${JSON.stringify(last)}\n\n` : ''}data: [DONE]\n\n`;
      }
      default:
        return '';
    }
  }

  #chunk(index: number, text: string, finish: string | null, logprobs?: TokenLogprobs): string {
    const choices = [
      { index, text, logprobs: logprobs ? this.#convert(index, logprobs) : null, finish_reason: finish },
    ];
    return `data: ${JSON.stringify({ ...this.#identity, choices })}\n\n`;
  }

  #convert(index: number, logprobs: TokenLogprobs): object {
    let converted = this.#logprobs.get(index);
    if (!converted) {
      converted = new CompletionLogprobs();
      this.#logprobs.set(index, converted);
    }
    return converted.next(logprobs);
  }
}
