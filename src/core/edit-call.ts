import { applyChange, type CallChange } from './chat/call-change.ts';
import type { ChatCall } from './inference.ts';
import { once } from './once.ts';

/**
 * Applies a change to a call: to its original text, where only the member concerned is edited and every other byte stays,
 * and to its canonical form.
 * @returns undefined where the client's dialect cannot express the change, or already says the same
 */
export function editCall(call: ChatCall, change: CallChange): ChatCall | undefined {
  const { dialect } = call;
  const text = dialect.edit ? dialect.edit(call.text, call.body, change) : call.text;
  if (text === undefined) return undefined;
  const added = dialect.edit || change.type !== 'prepend-system' ? 0 : Buffer.byteLength(change.text);
  const body = once(() => parseObject(text));
  return {
    ...call,
    text,
    unwrittenBytes: (call.unwrittenBytes ?? 0) + added,
    get body() {
      return body();
    },
    view: once(() => dialect.requestView(body())),
    chat: once(() => applyChange(call.chat(), change)),
  };
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  return { ...Object(JSON.parse(text)) };
}
