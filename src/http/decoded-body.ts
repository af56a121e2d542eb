import { ByteCollector } from '../core/byte-collector.ts';
import { type ContentCoding, ContentDecoder } from '../core/content-coding.ts';
import { GatewayError } from '../core/errors.ts';
import { BodyError, type HttpRequest } from '../core/http.ts';

/**
 * Decodes a compressed request body. The decoded bytes count for the limit and for the memory of request bodies while they
 * are decoded, so that a small body which expands to a large one is rejected early.
 * @param codings in the order in which they were applied
 * @param limit of the decoded body, in bytes
 * @throws BodyError; GatewayError `invalid_request` for a malformed body
 */
export async function decodedBody(
  request: Pick<HttpRequest, 'keepBytes' | 'onDisconnect'>,
  received: Uint8Array | Promise<Uint8Array>,
  codings: readonly ContentCoding[],
  limit: number,
): Promise<Uint8Array> {
  const body = await received;
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const decoded = new ByteCollector();
  const fail = (error: unknown) => {
    decoder.destroy();
    decoded.release();
    reject(error);
  };
  const decoder: ContentDecoder = new ContentDecoder(codings, limit, {
    data: (bytes) => {
      try {
        request.keepBytes(bytes.length);
        decoded.add(bytes);
      } catch (error) {
        fail(error);
      }
    },
    end: () => resolve(decoded.takeOwn()),
    fail: (fault, coding) => fail(fault === 'too_large' ? BodyError.tooLarge(limit) : malformed(coding)),
  });
  request.onDisconnect(() => fail(new BodyError('ended_early')));
  decoder.push(body);
  decoder.end();
  return promise;
}

function malformed(coding: ContentCoding): GatewayError {
  return new GatewayError(
    'invalid_request',
    `The request body is not valid ${coding}. Send the body that "content-encoding" describes, or leave the header out.`,
  );
}
