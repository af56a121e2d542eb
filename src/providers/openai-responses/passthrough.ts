import { editMembers } from '../../core/json-edit.ts';
import type { PassthroughFormat } from '../format.ts';
import type { Target } from '../types.ts';
import { finishOf } from './output.ts';
import { ResponsesPassthroughDecoder } from './passthrough-decoder.ts';
import { decodeResponse } from './result.ts';
import { readResponsesUsage } from './usage.ts';

/** Bodies of the Responses API are forwarded unchanged, except for the model. */
export function responsesPassthroughTo(endpoint: (target: Target) => string): PassthroughFormat {
  return {
    build: (call, target) => ({
      url: endpoint(target),
      body:
        call.body.model === target.model
          ? call.text
          : editMembers(call.text, { model: JSON.stringify(target.model) }),
    }),

    parse(response, call, target) {
      const { text, json } = decodeResponse(response, target);
      call.onResponse?.({ ...json, model: call.model });
      return {
        text: json.model === call.model ? text : editMembers(text, { model: JSON.stringify(call.model) }),
        usage: readResponsesUsage(json.usage),
        finishReason: finishOf(json, false).raw,
      };
    },

    decoder: (call, target) => new ResponsesPassthroughDecoder(target, call.model, call.onResponse),
  };
}
