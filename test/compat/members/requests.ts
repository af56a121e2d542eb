import { chatCall } from '../../../src/api/chat-call.ts';
import { validate } from '../../../src/api/validation.ts';
import { GatewayError } from '../../../src/core/errors.ts';
import { once } from '../../../src/core/once.ts';
import type { UpstreamRequest } from '../../../src/core/transport.ts';
import { addWarning, type Warn, type Warning } from '../../../src/core/warning.ts';
import type { Target } from '../../../src/providers/types.ts';
import type { TestedDialect } from '../../support/dialects-and-formats.ts';
import { testContext } from '../../support/inference.ts';
import type { Sent } from './outcome.ts';
import type { Json } from './values.ts';

/** Sends one request of a client on its way, up to the socket. */
export function sendRequest({ dialect, schema }: TestedDialect, target: Target, json: Json): Sent {
  return recorded((warn) => {
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
    return adapter.buildRequest(call, target, testContext({ media, warn }));
  });
}

/** Makes an upstream request. @returns the request, or the error, with the warnings */
export function recorded(make: (warn: Warn) => UpstreamRequest): Sent {
  const warnings: Warning[] = [];
  try {
    const { url, headers, body = '' } = make((warning) => addWarning(warnings, warning));
    const text = typeof body === 'string' ? body : new TextDecoder().decode(body);
    return {
      upstream: `${url} ${JSON.stringify(headers)} ${text}`,
      body: JSON.parse(text),
      warnings,
      error: undefined,
    };
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    const { message, param } = error;
    return { upstream: undefined, body: undefined, warnings, error: { param: param ?? '', message } };
  }
}
