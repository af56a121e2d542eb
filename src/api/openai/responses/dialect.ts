import { type CallChange, joinInstructions } from '../../../core/chat/call-change.ts';
import type { ClientDialect, RenderContext } from '../../../core/chat/dialect.ts';
import type { ResponseView } from '../../../core/chat/response-view.ts';
import type { ChatResult } from '../../../core/chat/result.ts';
import { asCount, asString, records } from '../../../core/json.ts';
import { editMembers } from '../../../core/json-edit.ts';
import { limitMembers } from '../../limit-members.ts';
import { openAiAffinityKey, PromptView } from '../../prompt-view.ts';
import { generationDemand } from '../../request-demand.ts';
import { type Rendering, unrendered } from '../../unrendered.ts';
import { clientTools, toolOfCall } from './client-tools.ts';
import { withoutForeignSignatures } from './forwardable-items.ts';
import { readInput } from './input.ts';
import { type Item, ItemIds, outputItems, wireAnnotation, wireStatus, wireUsage } from './items.ts';
import { unreadInResponses } from './known-members.ts';
import { readParameters } from './parameters.ts';
import { responseId, responseObject } from './response-object.ts';
import { ResponseEventWriter } from './stream-writer.ts';

function complete(result: ChatResult, renderContext: RenderContext): Item {
  const choice = result.choices[0];
  const id = responseId(result.id, renderContext.requestId);
  return {
    ...responseObject(id, result.created ?? renderContext.createdSeconds, renderContext),
    ...wireStatus(choice?.finish ?? { unified: 'other' }),
    output: outputItems(
      choice?.content ?? [],
      new ItemIds(renderContext.requestId),
      clientTools(renderContext.body),
      choice?.logprobs,
    ),
    usage: wireUsage(result.usage),
    ...(result.serviceTier === undefined ? {} : { service_tier: result.serviceTier }),
  };
}

function responseView({ output }: Item): ResponseView | undefined {
  if (!Array.isArray(output)) return undefined;
  const items = records(output);
  const parts = items.flatMap(({ type, content }) => (type === 'message' ? records(content) : []));
  return {
    text: parts.map(({ text }) => asString(text) ?? '').join(''),
    refused: parts.some(({ type }) => type === 'refusal'),
    callsTools: items.some(
      (item) =>
        item.type === 'function_call' || item.type === 'custom_tool_call' || toolOfCall(item) !== undefined,
    ),
    logprobs: [],
  };
}

function editResponses(text: string, body: Item, change: CallChange): string | undefined {
  const { instructions } = body;
  if (change.type === 'limit-output') return limitMembers(text, body, change.max, ['max_output_tokens']);
  if (change.type !== 'prepend-system') return undefined;
  const joined = joinInstructions(change.text, asString(instructions) ?? '');
  return editMembers(text, { instructions: JSON.stringify(joined) });
}

const RENDERING: Rendering = {
  part: (part) =>
    part.type === 'unknown'
      ? part.dialect === 'openai-responses'
      : part.type === 'image'
        ? part.source.kind === 'base64'
        : part.type !== 'audio',
  citation: (citation) => wireAnnotation(citation) !== undefined,
  severalChoices: false,
  logprobs: true,
};

/**
 * OpenAI's Responses.
 * @param onResponse called with each complete response object, before the client has it
 * @param idBase of ids that the upstream does not send: letters, digits and underscores; the request's id when absent
 */
export function responsesDialect(
  onResponse: (response: Item) => void = () => undefined,
  idBase?: string,
): ClientDialect {
  const withIds = (context: RenderContext) =>
    idBase === undefined ? context : { ...context, requestId: idBase };
  return {
    name: 'openai-responses',
    toChat: (body) => ({ messages: readInput(body), ...readParameters(body) }),
    unreadMembers: unreadInResponses,
    requestView: (body) => {
      const outputLimit = asCount(body.max_output_tokens);
      return new PromptView({
        outputLimit,
        affinityKey: openAiAffinityKey(body),
        serviceTier: body.service_tier,
        tools: body.tools,
        instructions: body.instructions,
        messages: body.input,
        imageType: 'input_image',
        requestDemand: () => generationDemand(body, { prompt: body.input, outputLimit }),
      });
    },
    responseView,
    unrendered: (result) => unrendered(result, RENDERING),
    edit: editResponses,
    withoutForeignSignatures,
    renderResult(result, renderContext) {
      const response = complete(result, withIds(renderContext));
      onResponse(response);
      return JSON.stringify(response);
    },
    streamWriter: (renderContext) => new ResponseEventWriter(withIds(renderContext), onResponse),
  };
}
