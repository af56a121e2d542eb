import type { ClientDialect } from '../../core/chat/dialect.ts';
import type { ChatCall } from '../../core/inference.ts';
import type { Transport } from '../../core/transport.ts';
import type { Warning } from '../../core/warning.ts';
import { createAdapter } from '../adapter.ts';
import type { ChatBuildOptions } from '../format.ts';
import type { Target } from '../types.ts';
import { errorFromStatus } from '../upstream-error.ts';

/** The Responses dialect as far as a passthrough asks for it: by its name. */
const DIALECT: ClientDialect = {
  name: 'openai-responses',
  toChat: () => ({ messages: [] }),
  requestView: () => {
    throw new Error('a format does not read the facts of requests');
  },
  renderResult: () => '',
  streamWriter: () => ({ event: () => '' }),
};

/** Formats are pure: nothing is ever sent. */
const NO_TRANSPORT: Transport = {
  send: () => {
    throw new Error('a format must send nothing');
  },
  close: () => undefined,
};

/** A target with the Responses API. */
export function responsesTarget(model = 'upstream-model', kind = 'openai'): Target {
  return {
    model,
    weight: 1,
    provider: {
      id: 'p',
      kind,
      profile: { label: 'P', streamUsage: 'always', needsKey: false },
      baseUrl: 'http://upstream.test/v1',
      credential: 'sk-very-secret',
      headers: {},
      adapter: createAdapter({
        kind,
        authorize: (request) => request,
        mapError: (response, { provider }) => errorFromStatus(response, { message: undefined }, provider),
      }),
      transport: NO_TRANSPORT,
      models: [],
      discover: false,
    },
  };
}

/** The context of an attempt. */
export function attemptContext() {
  return { requestId: 'req_1', createdSeconds: 7, warn: () => undefined, media: new Map() };
}

/** Options of a build, and the warnings that it gave. */
export function buildOptions(stream = false): { options: ChatBuildOptions; warnings: Warning[] } {
  const warnings: Warning[] = [];
  const options = {
    ...attemptContext(),
    stream,
    headers: new Headers(),
    warn: (warning: Warning) => {
      warnings.push(warning);
    },
  };
  return { options, warnings };
}

/** A call of a client that speaks the Responses API. */
export function responsesCall(
  body: Readonly<Record<string, unknown>>,
  text = JSON.stringify(body),
): ChatCall {
  return {
    operation: 'chat',
    dialect: DIALECT,
    chat: () => ({ messages: [] }),
    view: () => DIALECT.requestView(body),
    model: 'asked',
    stream: body.stream === true,
    text,
    body,
    headers: new Headers(),
    includesStreamUsage: false,
  };
}
