import type { ChatRequest } from '../../core/chat/request.ts';
import type { StorableCall } from '../cacheable.ts';
import { canonicalText } from './guard/canonical-text.ts';
import { questionForm } from './guard/question-form.ts';

/** A chat whose last message is a question in words, apart from the rest of the request. */
export interface SemanticQuestion {
  readonly text: string;
  /** The question without what its answer does not depend on: the text that is embedded. */
  readonly canonical: string;
  /** Everything else of the request, as JSON text. */
  readonly rest: string;
}

/**
 * Splits a chat into its last question and the rest.
 * @returns undefined where the last message is more than one text, where the text is too long or looks like a program, or
 *   where the body says something that the canonical form does not have
 */
export function semanticQuestion(call: StorableCall): SemanticQuestion | undefined {
  if (call.operation !== 'chat') return undefined;
  let request: ChatRequest;
  try {
    request = call.chat();
  } catch {
    // A target of the same format may accept it.
    return undefined;
  }
  const last = request.messages.at(-1);
  const [part, ...others] = last?.role === 'user' ? last.content : [];
  if (last?.role !== 'user' || part?.type !== 'text' || others.length > 0) return undefined;
  const form = questionForm(part.text);
  if (!form || (call.dialect.unreadMembers?.(call.body).length ?? 0) > 0) return undefined;
  const messages = [...request.messages.slice(0, -1), { ...last, content: [{ ...part, text: '' }] }];
  const rest = JSON.stringify([call.dialect.name, { ...request, messages }]);
  return { text: part.text, canonical: canonicalText(form), rest };
}
