import { decodeUtf8, encodeUtf8 } from '../../core/bytes.ts';
import { isRecord, parseJsonText } from '../../core/json.ts';
import type { SecretBox } from '../../platform/secret-box.ts';

/** What is stored beside a vector. */
export interface SemanticPayload {
  readonly question: string;
  /** Id of the request that the response was made for. */
  readonly requestId: string;
  /** Key of the stored response. */
  readonly key: string;
  readonly tenant: string;
  readonly namespace: string;
  readonly partition: string;
}

/** Writes and reads payloads. */
export interface PayloadCodec {
  encode(payload: SemanticPayload): string;
  /** @returns undefined for a text that was not written by this installation */
  decode(text: string): SemanticPayload | undefined;
}

/** For payloads that stay in the process. */
export const PLAIN_PAYLOADS: PayloadCodec = {
  encode: (payload) => JSON.stringify(payload),
  decode: read,
};

/** For payloads that leave the process: sealed with the installation's secret, so that a changed one cannot be opened. */
export function sealedPayloads(box: Pick<SecretBox, 'sealBytes' | 'openBytes'>): PayloadCodec {
  return {
    encode: (payload) =>
      Buffer.from(box.sealBytes(Buffer.from(encodeUtf8(JSON.stringify(payload))))).toString('base64'),
    decode: (text) => {
      try {
        return read(decodeUtf8(box.openBytes(Buffer.from(text, 'base64'))));
      } catch {
        // Damaged, or sealed with another secret.
        return undefined;
      }
    },
  };
}

function read(text: string): SemanticPayload | undefined {
  const value = parseJsonText(text);
  if (!isRecord(value)) return undefined;
  const { question, requestId, key, tenant, namespace, partition } = value;
  if (typeof question !== 'string' || typeof requestId !== 'string' || typeof key !== 'string')
    return undefined;
  if (typeof tenant !== 'string' || typeof namespace !== 'string' || typeof partition !== 'string')
    return undefined;
  return { question, requestId, key, tenant, namespace, partition };
}
