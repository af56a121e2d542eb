import { z } from 'zod';
import type { ClientDialect, RenderContext } from '../../core/chat/dialect.ts';
import type { ChatRequest } from '../../core/chat/request.ts';
import type { ResponseView } from '../../core/chat/response-view.ts';
import type { ChatResult } from '../../core/chat/result.ts';
import { GatewayError } from '../../core/errors.ts';
import { asString } from '../../core/json.ts';
import { once } from '../../core/once.ts';
import type { RequestView } from '../../core/request-view.ts';
import type { HttpRouter } from '../../http/http-router.ts';
import { chatCall } from '../chat-call.ts';
import { addInferenceRoute, type InferenceEndpoint } from '../inference-route.ts';
import { openAiChatDialect } from '../openai/chat/dialect.ts';
import { chatResponseView } from '../openai/chat/response-view.ts';
import { chatRequest, chatResponse } from '../openai/schemas.ts';
import type { ApiServices, ApiSnapshot } from '../services.ts';
import { validate } from '../validation.ts';
import { isSqlDialect, loadSqlChecker, SQL_DIALECTS, type SqlChecker, type SqlDialect } from './sql-check.ts';

/** The role of the default model of this endpoint. */
const ROLE = 'sql';
const DEFAULT_DIALECT = 'postgresql';
/** UTF-8 bytes of the instructions, without the tables: those are in the body. */
const INSTRUCTION_BYTES = 512;
const OWN_FIELDS: ReadonlySet<string> = new Set(['schema', 'dialect', 'read_only']);

export const text2sqlRequest = chatRequest
  .extend({
    model: z.string().min(1).max(400).optional().describe(`Default: the model with the role \`${ROLE}\`.`),
    stream: z
      .boolean()
      .nullish()
      .describe('False: the statement is checked as a whole before it is sent.')
      .meta({ enum: [false, null] }),
    schema: z.string().min(1).max(1_000_000).optional().describe('The tables, as DDL.'),
    dialect: z
      .string()
      .refine(isSqlDialect, `expected one of: ${SQL_DIALECTS.join(', ')}`)
      .optional()
      .describe(`The SQL dialect; ${DEFAULT_DIALECT} by default.`),
    read_only: z
      .boolean()
      .optional()
      .describe('Whether statements that do more than read are refused. True by default.'),
  })
  .meta({
    id: 'Text2SqlRequest',
    example: {
      model: 'simulator',
      messages: [{ role: 'user', content: 'How many users signed up today?' }],
      schema: 'CREATE TABLE users (id INT PRIMARY KEY, created_at TIMESTAMP)',
    },
  });

export const text2sqlResponse = chatResponse
  .extend({
    sql: z.object({
      statement: z.string().nullable(),
      valid: z.boolean(),
      refused: z.boolean(),
      error: z
        .object({ message: z.string(), line: z.number().optional(), column: z.number().optional() })
        .optional(),
      dialect: z.string(),
      read_only: z.boolean(),
      statement_types: z.array(z.string()),
      tables: z.array(z.string()),
    }),
  })
  .meta({ id: 'Text2SqlResponse' });

interface SqlRequest {
  readonly schema: string | undefined;
  readonly dialect: SqlDialect;
  readonly readOnly: boolean;
}

function instruction({ schema, dialect, readOnly }: SqlRequest): string {
  return [
    `Translate what the user asks for into one ${dialect} statement.`,
    'Answer with that statement alone, in one ```sql code block, without any explanation.',
    ...(readOnly ? ['It must only read: no statement that changes data, schema, settings or locks.'] : []),
    ...(schema === undefined ? [] : ['Use only these tables and columns:', '```sql', schema, '```']),
  ].join('\n');
}

/** OpenAI's chat dialect with instructions to write SQL, and with the result of the SQL check. */
class SqlDialectOfChat implements ClientDialect {
  readonly name = 'weir-text2sql';

  constructor(
    private readonly sqlRequest: SqlRequest,
    private readonly checker: SqlChecker,
  ) {}

  toChat(body: Readonly<Record<string, unknown>>): ChatRequest {
    const chat = openAiChatDialect.toChat(
      Object.fromEntries(Object.entries(body).filter(([name]) => !OWN_FIELDS.has(name))),
    );
    // A guardrail may have changed the schema.
    const text = instruction({ ...this.sqlRequest, schema: asString(body.schema) });
    return { ...chat, messages: [{ role: 'system', content: [{ type: 'text', text }] }, ...chat.messages] };
  }

  requestView(body: Readonly<Record<string, unknown>>): RequestView {
    const view = openAiChatDialect.requestView(body);
    return {
      outputLimit: view.outputLimit,
      affinityKey: view.affinityKey,
      isBatch: view.isBatch,
      hasTools: view.hasTools,
      hasImages: () => view.hasImages(),
      promptParts: () => view.promptParts(),
      conversationStart: () => view.conversationStart(),
      // The endpoint may have added the model, which is not in the text.
      requestDemand: () => ({ ...view.requestDemand(), structureBytes: 0, addedBytes: INSTRUCTION_BYTES }),
    };
  }

  responseView(body: Readonly<Record<string, unknown>>): ResponseView | undefined {
    return chatResponseView(body);
  }

  renderResult(result: ChatResult, renderContext: RenderContext): string {
    const parts = result.choices[0]?.content ?? [];
    const answer = parts.map((part) => (part.type === 'text' ? part.text : '')).join('');
    const { dialect, readOnly } = this.sqlRequest;
    const sql = this.checker.check(answer, dialect, readOnly);
    const completion: unknown = JSON.parse(openAiChatDialect.renderResult(result, renderContext));
    return JSON.stringify({ ...Object(completion), sql });
  }

  streamWriter(): never {
    throw noStream();
  }
}

function noStream(): GatewayError {
  return new GatewayError(
    'invalid_request',
    '"stream" must be false here: the statement is checked as a whole before it is handed out.',
    { param: 'stream' },
  );
}

function modelFor(asked: string | undefined, { directory, defaultModel }: ApiSnapshot): string {
  const model = asked ?? directory.withRole(ROLE) ?? defaultModel;
  if (model !== undefined) return model;
  throw new GatewayError(
    'invalid_request',
    `"model" is missing, no model of the configuration has the role "${ROLE}", and there is no default_model.`,
    { param: 'model' },
  );
}

export function addText2SqlRoutes(router: HttpRouter, services: ApiServices): void {
  const checker = once(loadSqlChecker);
  const endpoint: InferenceEndpoint = {
    operation: 'chat',
    async parse(body, snapshot, { request }) {
      const {
        model: asked,
        schema,
        dialect = DEFAULT_DIALECT,
        read_only: readOnly = true,
        stream,
      } = validate(text2sqlRequest, body.json);
      if (stream === true) throw noStream();
      // The schema's own check has seen to it; this is for the compiler.
      const known = isSqlDialect(dialect) ? dialect : DEFAULT_DIALECT;
      const model = modelFor(asked, snapshot);
      const sqlDialect = new SqlDialectOfChat({ schema, dialect: known, readOnly }, await checker());
      return chatCall(
        'chat',
        sqlDialect,
        { text: body.text, json: { ...body.json, model } },
        request.headers,
      );
    },
  };
  addInferenceRoute(router, services, '/v1/text2sql', endpoint);
}
