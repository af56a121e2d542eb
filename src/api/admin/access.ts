import type { HttpReply } from '../../core/http.ts';
import type { Exchange } from '../../http/exchange.ts';
import { jsonResponse } from '../../http/response.ts';

/** A body for an operator. */
export function adminJson({ request }: Exchange, body: unknown): Promise<HttpReply> | HttpReply {
  return jsonResponse(request, 200, JSON.stringify(body), {});
}
