import type { AssistantPart, Citation } from '../core/chat/request.ts';
import type { ChatResult } from '../core/chat/result.ts';
import { asString } from '../core/json.ts';
import type { Warning } from '../core/warning.ts';

/** The content of responses for which a dialect has a form. */
export interface Rendering {
  readonly part: (part: AssistantPart) => boolean;
  readonly citation: (citation: Citation) => boolean;
  readonly severalChoices: boolean;
  readonly logprobs: boolean;
}

/**
 * Lists the content of a complete response that a dialect leaves out when it renders it.
 * @returns a warning for each, with a path such as `response.choices[0].content[2]`
 */
export function unrendered({ choices }: ChatResult, rendering: Rendering): readonly Warning[] {
  const found: Warning[] = [];
  const omitted = (param: string, what: string) => {
    const message = `This API has no form for ${what} in a response; it was omitted.`;
    found.push({ kind: 'unsupported', param: `response.${param}`, message });
  };
  for (const [index, { content, logprobs }] of choices.entries()) {
    const path = `choices[${index}]`;
    if (index > 0 && !rendering.severalChoices) {
      omitted(path, 'another choice');
      continue;
    }
    if (logprobs !== undefined && !rendering.logprobs) omitted(`${path}.logprobs`, 'log probabilities');
    for (const [at, part] of content.entries()) {
      const inside = `${path}.content[${at}]`;
      if (!rendering.part(part)) omitted(inside, nameOf(part));
      else if (part.type === 'text' && part.citations?.some((one) => !rendering.citation(one))) {
        omitted(`${inside}.citations`, 'a citation of this kind');
      }
    }
  }
  return found;
}

/** Vendors name parts by a type, or by their only member. */
function nameOf(part: AssistantPart): string {
  if (part.type !== 'unknown') return `a part of type "${part.type}"`;
  const [member] = Object.keys(part.value);
  return `"${(asString(part.value.type) ?? member ?? 'this part').slice(0, 100)}"`;
}
