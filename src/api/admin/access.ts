import type { HttpResponse } from '../../core/http.ts';
import type { HttpContext } from '../../http/http-context.ts';
import { jsonResponse } from '../../http/response.ts';

/** A body for an operator. */
export function adminJson({ request }: HttpContext, body: unknown): Promise<HttpResponse> | HttpResponse {
  return jsonResponse(request, 200, JSON.stringify(body), {});
}
