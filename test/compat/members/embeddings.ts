import { embeddingCall } from '../../../src/api/openai/embedding-call.ts';
import { embeddingRequest } from '../../../src/api/openai/schemas.ts';
import { validate } from '../../../src/api/validation.ts';
import { createBedrockAdapter } from '../../../src/providers/bedrock/index.ts';
import { cohereAdapter } from '../../../src/providers/cohere/index.ts';
import type { Target } from '../../../src/providers/types.ts';
import { FORMATS } from '../../support/dialects-and-formats.ts';
import { upstreamHeaders } from '../../support/fake-transport.ts';
import { testContext, testProvider, testTarget } from '../../support/inference.ts';
import { received } from './answers.ts';
import { DOCUMENTED_EMBEDDINGS } from './documented.ts';
import type { Sent } from './outcome.ts';
import type { Row } from './page.ts';
import type { TypeName } from './read-types.ts';
import { recorded } from './requests.ts';
import type { Shape } from './shape.ts';
import type { Json, ValueRules } from './values.ts';
import type { WalkOptions } from './walk.ts';
import { walkMembers } from './walk-members.ts';

const bedrock = (model: string) =>
  testTarget(
    testProvider({
      adapter: createBedrockAdapter({
        region: 'r',
        credentials: () => Promise.reject(new Error('not signed here')),
        now: () => new Date(0),
      }),
    }),
    model,
  );

function format(name: string): Target {
  const target = FORMATS[name];
  if (!target) throw new Error(`there is no format ${name}`);
  return target;
}

/** Targets with embeddings. */
export const EMBEDDING_TARGETS: Readonly<Record<string, Target>> = {
  OpenAI: format('OpenAI chat'),
  Mistral: format('Mistral'),
  Gemini: testTarget(format('Gemini').provider, 'gemini-embedding-001'),
  'Bedrock (Titan)': bedrock('amazon.titan-embed-text-v2:0'),
  'Bedrock (Cohere)': bedrock('cohere.embed-v4:0'),
  Cohere: testTarget(testProvider({ adapter: cohereAdapter }), 'embed-v4.0'),
};

const LEAST = { model: 'm', input: 'Hi' };

export const EMBEDDING_REQUEST = {
  title: 'OpenAI embeddings',
  type: { file: 'openai/resources/embeddings.d.ts', type: 'EmbeddingCreateParams' },
} as const satisfies { readonly title: string; readonly type: TypeName };

/** Sends every member of a request for embeddings to every target. */
export function walkEmbeddingRequests(_walk: object, shape: Shape): Row[] {
  const send = Object.fromEntries(
    Object.entries(EMBEDDING_TARGETS).map(([name, target]) => [
      name,
      (json: Json) =>
        recorded((warn) => {
          validate(embeddingRequest, json);
          const call = embeddingCall({ text: JSON.stringify(json), json }, new Headers());
          return target.provider.adapter.buildRequest(call, target, testContext({ warn }));
        }),
    ]),
  );
  return walkMembers<Json>(shape, {
    rules: [
      [/^$/, () => LEAST],
      [/^dimensions$/, (_, count) => 200 + count],
    ],
    skipped: [/^model$/],
    lists: [],
    send,
    hole: (value) => value as Json,
    documented: DOCUMENTED_EMBEDDINGS,
  });
}

interface EmbeddingAnswer extends Pick<WalkOptions, 'skipped' | 'lists'> {
  readonly title: string;
  readonly type: TypeName;
  /** Name in `EMBEDDING_TARGETS`. */
  readonly target: string;
  readonly rules: ValueRules;
}

const VECTOR = (_: string, count: number) => [count / 4, 0.5];
const LIST = {
  object: 'list',
  model: 'm',
  data: [{ object: 'embedding', index: 0, embedding: [0.5, 0.25] }],
};

const list: EmbeddingAnswer = {
  title: 'OpenAI embeddings',
  target: 'OpenAI',
  type: { file: 'openai/resources/embeddings.d.ts', type: 'CreateEmbeddingResponse' },
  skipped: [],
  lists: [],
  rules: [
    [/^$/, () => ({ ...LIST, usage: { prompt_tokens: 3, total_tokens: 3 } })],
    [/^data\[\]$/, () => LIST.data[0]],
    [/embedding$/, VECTOR],
  ],
};

export const EMBEDDING_ANSWERS: readonly EmbeddingAnswer[] = [
  list,
  {
    ...list,
    title: 'Mistral embeddings',
    target: 'Mistral',
    type: {
      file: '@mistralai/mistralai/esm/models/components/embeddingresponse.d.ts',
      type: 'EmbeddingResponse',
      snakeCase: true,
    },
  },
  {
    ...list,
    title: 'Gemini embeddings',
    target: 'Gemini',
    type: { file: '@google/genai/dist/genai.d.ts', type: 'EmbedContentResponse' },
    skipped: [/^sdkHttpResponse/],
    rules: [
      [/^$/, () => ({ embeddings: [{ values: [0.5, 0.25] }] })],
      [/^embeddings\[\]$/, () => ({ values: [0.5, 0.25] })],
      [/values$/, VECTOR],
    ],
  },
  {
    ...list,
    title: 'Cohere embeddings',
    target: 'Cohere',
    type: {
      file: 'cohere-ai/api/types/EmbedByTypeResponse.d.ts',
      type: 'EmbedByTypeResponse',
      snakeCase: true,
    },
    rules: [
      [/^$/, () => ({ id: 'e1', embeddings: { float: [[0.5, 0.25]] } })],
      [/embeddings$/, () => ({ float: [[0.5, 0.25]] })],
      [/float$/, (mark, count) => [VECTOR(mark, count)]],
    ],
  },
];

/** Reads every member of a vendor's embeddings for clients. */
export function walkEmbeddingAnswers(walk: EmbeddingAnswer, shape: Shape): Row[] {
  const target = EMBEDDING_TARGETS[walk.target];
  if (!target) throw new Error(`there is no target ${walk.target}`);
  const call = embeddingCall({ text: JSON.stringify(LEAST), json: LEAST }, new Headers());
  const receive = (answer: Json): Sent =>
    received((warn) => {
      const response = {
        status: 200,
        headers: upstreamHeaders({ 'content-type': 'application/json' }),
        body: Buffer.from(JSON.stringify(answer)),
      };
      const { text } = target.provider.adapter.parseResponse(response, call, target, testContext({ warn }));
      return [JSON.parse(text)];
    });
  return walkMembers<Json>(shape, {
    ...walk,
    send: { embeddings: receive },
    hole: (value) => value as Json,
    documented: DOCUMENTED_EMBEDDINGS,
  });
}
