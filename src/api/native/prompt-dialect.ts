import type { ClientDialect } from '../../core/chat/dialect.ts';
import type { ChatRequest } from '../../core/chat/request.ts';
import type { ChatEvent, ChatEventWriter, ChatResult, FinishReason } from '../../core/chat/result.ts';
import { asCount } from '../../core/json.ts';
import type { Usage } from '../../core/usage.ts';
import { openAiChatDialect } from '../openai/chat/dialect.ts';
import { openAiAffinityKey, PromptView } from '../prompt-view.ts';
import { generationDemand } from '../request-demand.ts';

/** The chat request that a prompt stands for, in OpenAI's words; fields that are not ours stay. */
function asChatBody({
  prompt,
  system,
  ...rest
}: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const messages = [
    ...(system === undefined ? [] : [{ role: 'system', content: system }]),
    { role: 'user', content: prompt },
  ];
  return { ...rest, messages };
}

function textOf(result: ChatResult): string {
  const parts = result.choices[0]?.content ?? [];
  return parts.map((part) => (part.type === 'text' ? part.text : '')).join('');
}

function plainUsage(usage: Usage | undefined): Record<string, number> | null {
  if (!usage) return null;
  return {
    ...(usage.inputTokens === undefined ? {} : { input_tokens: usage.inputTokens }),
    ...(usage.outputTokens === undefined ? {} : { output_tokens: usage.outputTokens }),
  };
}

/** OpenAI's words, which most people know. */
function finishName({ unified }: FinishReason): string {
  if (unified === 'stop-sequence') return 'stop';
  return unified.replace('-', '_');
}

/** Prompt in, text out: `/inference` and `/stream`. */
export function promptDialect(plainText: boolean): ClientDialect {
  return {
    name: 'weir-prompt',
    toChat: (body): ChatRequest => openAiChatDialect.toChat(asChatBody(body)),
    requestView: (body) => {
      const outputLimit = asCount(body.max_tokens);
      return new PromptView({
        outputLimit,
        affinityKey: openAiAffinityKey(body),
        serviceTier: body.service_tier,
        instructions: body.system,
        messages: body.prompt,
        // The endpoint has added members that are not in the text.
        requestDemand: () => ({
          ...generationDemand(body, { prompt: body.prompt, outputLimit }),
          structureBytes: 0,
        }),
      });
    },
    renderResult(result, { model, requestId }) {
      const text = textOf(result);
      if (plainText) return text;
      const finish = result.choices[0]?.finish;
      return JSON.stringify({
        id: requestId,
        model,
        text,
        finish_reason: finish ? finishName(finish) : null,
        usage: plainUsage(result.usage),
      });
    },
    streamWriter: () => new PromptWriter(),
  };
}

/** Plain text events: `{"text"}` and `{"reasoning"}`, then one `done` event. */
class PromptWriter implements ChatEventWriter {
  #part: string | undefined;
  #finish: FinishReason | undefined;
  #usage: Usage | undefined;

  event(event: ChatEvent): string {
    switch (event.type) {
      case 'part-start':
        if (event.choice === 0) this.#part = event.part.type;
        return '';
      case 'delta':
        if (event.choice !== 0 || event.text === '') return '';
        if (this.#part === 'text') return `data: ${JSON.stringify({ text: event.text })}\n\n`;
        if (this.#part !== 'reasoning') return '';
        return `event: reasoning\ndata: ${JSON.stringify({ reasoning: event.text })}\n\n`;
      case 'finish':
        if (event.choice === 0) this.#finish = event.finish;
        return '';
      case 'usage':
        this.#usage = event.usage;
        return '';
      case 'ping':
        return ':\n\n';
      case 'end': {
        const finish = this.#finish ? finishName(this.#finish) : null;
        const data = { finish_reason: finish, usage: plainUsage(this.#usage) };
        return `event: done\ndata: ${JSON.stringify(data)}\n\n`;
      }
      default:
        return '';
    }
  }
}
