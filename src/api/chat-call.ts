import type { ClientDialect } from '../core/chat/dialect.ts';
import type { HeaderReader } from '../core/http.ts';
import type { ChatCall } from '../core/inference.ts';
import { asString, isRecord } from '../core/json.ts';
import { once } from '../core/once.ts';
import type { JsonBody } from '../http/body.ts';

/** Creates the call of a validated body. Its canonical form is built only if a target needs it. */
export function chatCall(
  operation: ChatCall['operation'],
  dialect: ClientDialect,
  { text, json }: JsonBody,
  headers: HeaderReader,
): ChatCall {
  const { model, stream, stream_options: options } = json;
  return {
    operation,
    dialect,
    model: asString(model) ?? '',
    stream: stream === true,
    text,
    body: json,
    headers,
    includesStreamUsage: isRecord(options) && options.include_usage === true,
    view: () => dialect.requestView(json),
    chat: once(() => dialect.toChat(json)),
  };
}
