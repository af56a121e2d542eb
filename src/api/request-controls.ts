import { clientApplication } from '../core/client-application.ts';
import { GatewayError } from '../core/errors.ts';
import type { HeaderReader } from '../core/http.ts';
import type { InferenceCall } from '../core/inference.ts';
import type { RequestControls } from '../dispatch/request.ts';
import { PRIORITIES, type Priority } from '../routing/admission/fair-queue.ts';
import { routingConstraintsOf } from './routing-constraints.ts';
import { tagsOf } from './tags.ts';

/** Reads the per-request controls from the client's headers. @throws GatewayError `invalid_request` naming the header */
export function requestControls(call: InferenceCall, headers: HeaderReader): RequestControls {
  return {
    model: call.model,
    stream: call.stream,
    isBatch: call.view().isBatch,
    strict: isStrict(headers),
    priority: requestPriority(headers),
    constraints: routingConstraintsOf(headers),
    tags: tagsOf(headers),
    client: clientApplication(headers.get('user-agent')),
    promptCaching: mayCachePrompt(headers),
  };
}

/** `x-weir-strict`: reject the request where a target cannot express all of it. */
function isStrict(headers: HeaderReader): boolean {
  const value = headers.get('x-weir-strict')?.trim().toLowerCase();
  if (value === undefined || value === '0' || value === 'false') return false;
  if (value === '1' || value === 'true') return true;
  throw new GatewayError('invalid_request', 'The header "x-weir-strict" must be true or false.', {
    param: 'x-weir-strict',
  });
}

/** `x-weir-prompt-cache: off`: add nothing for the prompt cache of the provider. */
function mayCachePrompt(headers: HeaderReader): boolean {
  const value = headers.get('x-weir-prompt-cache')?.trim().toLowerCase();
  if (value === undefined || value === 'on') return true;
  if (value === 'off') return false;
  throw new GatewayError('invalid_request', 'The header "x-weir-prompt-cache" must be on or off.', {
    param: 'x-weir-prompt-cache',
  });
}

/** `x-weir-priority`: the order in which requests leave the queue. */
function requestPriority(headers: HeaderReader): Priority {
  const value = headers.get('x-weir-priority')?.trim().toLowerCase();
  if (value === undefined) return 'normal';
  const priority = PRIORITIES.find((one) => one === value);
  if (priority) return priority;
  throw new GatewayError(
    'invalid_request',
    `The header "x-weir-priority" must be ${PRIORITIES.slice(0, -1).join(', ')} or ${PRIORITIES.at(-1)}.`,
    { param: 'x-weir-priority' },
  );
}
