import { isRecord, listOf } from '../../../src/core/json.ts';
import type { Gateway } from '../../support/gateway.ts';
import { post } from '../harness.ts';

/** The dialects of clients that hold conversations. */
export const DIALECTS = ['chat', 'responses', 'messages'] as const;
export type DialectName = (typeof DIALECTS)[number];

const PATHS: Readonly<Record<DialectName, string>> = {
  chat: '/v1/chat/completions',
  responses: '/v1/responses',
  messages: '/v1/messages',
};

/** A response in any dialect. */
export interface DialectResponse {
  readonly status: number;
  readonly headers: Headers;
  /** The whole body. */
  readonly raw: string;
  /** The text of the model. */
  readonly text: string;
}

export interface Question {
  readonly text: string;
  readonly model?: string;
  readonly stream?: boolean;
}

/** Sends one message of a user. */
export async function askIn(
  gateway: Gateway,
  dialect: DialectName,
  { text, model = 'chat', stream = false }: Question,
): Promise<DialectResponse> {
  const messages = [{ role: 'user', content: text }];
  const body = {
    chat: { messages },
    responses: { input: text },
    messages: { messages, max_tokens: 100 },
  }[dialect];
  const response = await post(gateway, JSON.stringify({ model, ...body, ...(stream && { stream }) }), {
    path: PATHS[dialect],
  });
  const raw = await response.text();
  const { status, headers } = response;
  return { status, headers, raw, text: stream ? streamedText(dialect, raw) : plainText(dialect, raw) };
}

function streamedText(dialect: DialectName, raw: string): string {
  return eventsOf(raw)
    .map((event) => {
      const { delta, type } = event;
      switch (dialect) {
        case 'chat': {
          const [choice] = listOf(event.choices);
          return isRecord(choice) && isRecord(choice.delta) ? choice.delta.content : '';
        }
        case 'responses':
          return type === 'response.output_text.delta' ? delta : '';
        case 'messages':
          return isRecord(delta) ? delta.text : '';
        default:
          return '';
      }
    })
    .map((text) => (typeof text === 'string' ? text : ''))
    .join('');
}

/** The events of a stream that are JSON objects. */
export function eventsOf(raw: string): readonly Readonly<Record<string, unknown>>[] {
  return raw
    .split('\n')
    .filter((line) => line.startsWith('data: {'))
    .map((line): unknown => JSON.parse(line.slice(6)))
    .filter(isRecord);
}

function plainText(dialect: DialectName, raw: string): string {
  const body: unknown = raw.startsWith('{') ? JSON.parse(raw) : undefined;
  if (!isRecord(body)) return '';
  const [choice] = listOf(body.choices);
  const parts =
    dialect === 'messages'
      ? listOf(body.content)
      : dialect === 'responses'
        ? listOf(body.output).flatMap((item) => (isRecord(item) ? listOf(item.content) : []))
        : [isRecord(choice) && isRecord(choice.message) ? { text: choice.message.content } : {}];
  return parts.map((part) => (isRecord(part) && typeof part.text === 'string' ? part.text : '')).join('');
}
