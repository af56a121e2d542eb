import type { ChatRequest, Origin } from '../../core/chat/request.ts';
import type { AwsCredentialSource } from '../../platform/aws-signature.ts';
import { createAdapter } from '../adapter.ts';
import type { ChatFormat } from '../format.ts';
import { familyOf } from '../model-families.ts';
import type { AttemptContext, ProviderAdapter } from '../types.ts';
import { withBreakpoints } from './breakpoints.ts';
import { withLimitedCachePoints } from './cache-points.ts';
import { bedrockEmbeddings } from './embeddings.ts';
import { bedrockError } from './errors.ts';
import { wireConversation } from './messages.ts';
import { forcesJsonTool, wireParameters } from './parameters.ts';
import { ConverseEventReader } from './reader.ts';
import { parseConverse } from './response.ts';
import { bedrockAuthorizer } from './sign.ts';
import { modelUrl } from './url.ts';

/** Signatures of Claude are valid on every platform that runs it. */
function originOf(model: string): Origin {
  return /claude/.test(model) ? 'anthropic' : 'bedrock';
}

function body(request: ChatRequest, model: string, { warn, promptCache }: AttemptContext) {
  const origin = originOf(model);
  const { system, messages } = wireConversation(request, origin, warn);
  const members = {
    messages,
    ...(system.length === 0 ? {} : { system }),
    ...wireParameters(request, familyOf(model), origin === 'anthropic', warn),
  };
  return withBreakpoints(withLimitedCachePoints(members, warn), model, promptCache);
}

/** Converse as a chat format. */
export const converseChatFormat: ChatFormat = {
  build: (request, target, options) => ({
    url: modelUrl(target, options.stream ? 'converse-stream' : 'converse'),
    body: JSON.stringify(body(request, target.model, options)),
  }),
  parse: (response, target, request) =>
    parseConverse(response, target, originOf(target.model), forcesJsonTool(request)),
  reader: ({ provider, model }, request) =>
    new ConverseEventReader(provider, originOf(model), forcesJsonTool(request)),
  needsInline: ({ source }) => source.kind === 'url' && !source.url.startsWith('s3://'),
};

/** Options of the adapter. */
export interface BedrockOptions {
  readonly region: string;
  readonly credentials: AwsCredentialSource;
  readonly now: () => Date;
}

/** The adapter for Amazon Bedrock: Converse for chat, InvokeModel for embeddings. */
export function createBedrockAdapter({ region, credentials, now }: BedrockOptions): ProviderAdapter {
  return createAdapter({
    kind: 'bedrock',
    chat: converseChatFormat,
    embeddings: bedrockEmbeddings,
    streamMediaType: 'application/vnd.amazon.eventstream',
    authorize: bedrockAuthorizer(region, credentials, now),
    mapError: bedrockError,
  });
}
