import type { ChatFormat, PassthroughFormat } from '../format.ts';
import type { Target } from '../types.ts';
import { responsesPassthroughTo } from './passthrough.ts';
import { ResponsesReader } from './reader.ts';
import { responsesBody } from './request.ts';
import { parseResponse } from './result.ts';

const atBase = ({ provider }: Target): string => `${provider.baseUrl}/responses`;

/** OpenAI's Responses API as a target of translated requests. */
export function responsesFormatTo(endpoint: (target: Target) => string): ChatFormat {
  return {
    wire: 'openai-responses',
    build: (request, target, options) => ({
      url: endpoint(target),
      body: JSON.stringify(responsesBody(request, target, options)),
    }),
    parse: parseResponse,
    reader: (target) => new ResponsesReader(target),
    hasSpecialTools: ({ provider }) => provider.profile.functionsOnly !== true,
  };
}

/** The Responses API at the provider's base URL. */
export const responsesChatFormat: ChatFormat = responsesFormatTo(atBase);
/** Passthrough of Responses requests to the provider's base URL. */
export const responsesPassthrough: PassthroughFormat = {
  ...responsesPassthroughTo(atBase),
  canonical: responsesChatFormat,
};

export { errorFromResponses } from './errors.ts';
export { responsesPassthroughTo } from './passthrough.ts';
