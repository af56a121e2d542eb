import { chatCall } from '../../../src/api/chat-call.ts';
import { validate } from '../../../src/api/validation.ts';
import { GatewayError } from '../../../src/core/errors.ts';
import { once } from '../../../src/core/once.ts';
import { addWarning, type Warning } from '../../../src/core/warning.ts';
import type { Target } from '../../../src/providers/types.ts';
import type { TestedDialect } from '../../support/dialects-and-formats.ts';
import { testContext } from '../../support/inference.ts';
import type { Sent } from './outcome.ts';
import type { Json } from './values.ts';

/** Sends one request of a client on its way, up to the socket. */
export function sendRequest({ dialect, schema }: TestedDialect, target: Target, json: Json): Sent {
  const warnings: Warning[] = [];
  try {
    validate(schema, json);
    const body = { text: JSON.stringify(json), json };
    const operation = dialect.name === 'openai-completions' ? 'completion' : 'chat';
    const call = {
      ...chatCall(operation, dialect, body, new Headers()),
      chat: once(() => dialect.toChat(json)),
    };
    const { adapter } = target.provider;
    const media = new Map(
      (adapter.mediaToInline?.(call, target) ?? []).map((url) => [
        url,
        { mediaType: 'image/png', data: Buffer.from(url).toString('base64') },
      ]),
    );
    const context = testContext({ media, warn: (warning) => addWarning(warnings, warning) });
    const { url, headers, body: sent } = adapter.buildRequest(call, target, context);
    const text = typeof sent === 'string' ? sent : new TextDecoder().decode(sent);
    return {
      upstream: `${url} ${JSON.stringify(headers)} ${text}`,
      body: JSON.parse(text),
      warnings,
      error: undefined,
    };
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    const { message, param = '' } = error;
    return { upstream: undefined, body: undefined, warnings, error: { param: param ?? '', message } };
  }
}
