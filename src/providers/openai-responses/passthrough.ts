import { editMembers } from '../../core/json-edit.ts';
import type { PassthroughFormat } from '../format.ts';
import { type Edits, editedMembers } from '../member-limits.ts';
import { addCacheKey } from '../prompt-cache.ts';
import type { Target } from '../types.ts';
import { ForwardedMembers } from './forwarded-members.ts';
import { finishOf } from './output.ts';
import { ResponsesPassthroughDecoder } from './passthrough-decoder.ts';
import { decodeResponse } from './result.ts';
import { readResponsesUsage } from './usage.ts';

/** Bodies of the Responses API are forwarded unchanged, except for the model and members that the target rejects. */
export function responsesPassthroughTo(endpoint: (target: Target) => string): PassthroughFormat {
  const members = new WeakMap<Target, ForwardedMembers>();
  const membersOf = (target: Target) => {
    const known = members.get(target) ?? new ForwardedMembers(target);
    members.set(target, known);
    return known;
  };
  return {
    build(call, target, { warn, promptCache }) {
      const edits: Edits = call.body.model === target.model ? {} : { model: JSON.stringify(target.model) };
      membersOf(target).apply(call.body, edits, warn);
      addCacheKey(call, target, edits, promptCache);
      return { url: endpoint(target), body: editedMembers(call.text, edits) };
    },

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
