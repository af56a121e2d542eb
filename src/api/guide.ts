import { GatewayError } from '../core/errors.ts';
import { HeaderBlock } from '../core/http.ts';
import type { HttpContext } from '../http/http-context.ts';
import type { HttpRouter } from '../http/http-router.ts';
import { SECURITY_HEADERS } from '../http/response.ts';
import { ANYONE, NO_BODY } from '../http/route-policy.ts';
import { fileResponse, type StaticFile } from '../http/static-file.ts';

/** Files of the guide by path, such as `limits.html`, `limits.md` and `llms.txt`. */
export type Guide = ReadonlyMap<string, StaticFile>;

export interface GuideOptions {
  /** `server.docs`. */
  readonly enabled: () => boolean;
  /** Reads the build; called until there is one. @returns undefined when there is none */
  readonly read: () => Promise<Guide | undefined>;
}

const HEADERS = new HeaderBlock({
  ...SECURITY_HEADERS,
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  // Short, because names of files stay the same when a new version replaces them.
  'cache-control': 'public, max-age=300',
  vary: 'accept-encoding',
});

/**
 * Adds the guide, the pages of `docs` as a site, at `/docs/guide`, and their list for language models at `/llms.txt`. Neither
 * needs a key, and nothing is loaded from another origin.
 */
export function addGuideRoutes(router: HttpRouter, { enabled, read }: GuideOptions): void {
  const policy = { access: ANYONE, body: NO_BODY };
  let reading: Promise<Guide | undefined> | undefined;
  const guide = async () => {
    if (!enabled()) throw new GatewayError('not_found', 'The documentation is switched off (server.docs).');
    reading ??= read();
    let files: Guide | undefined;
    try {
      files = await reading;
    } finally {
      // A checkout builds it beside the gateway, so that it may be there a moment later.
      if (files === undefined) reading = undefined;
    }
    if (files === undefined) {
      throw new GatewayError(
        'not_found',
        'The guide is not built yet: a checkout builds it after its start, and `npm run guide` does it at once.',
      );
    }
    return files;
  };
  const serve = async ({ request }: HttpContext, path: string) => {
    const files = await guide();
    const file = files.get(`${path}.html`) ?? files.get(path);
    if (!file) {
      throw new GatewayError(
        'not_found',
        `The guide has no page "${path.slice(0, 100)}": /docs/guide lists them.`,
      );
    }
    return fileResponse(request, file, HEADERS);
  };
  router.route('GET', '/docs/guide', policy, (httpContext) => serve(httpContext, 'index'));
  router.route('GET', '/docs/guide/:path{.*}', policy, (httpContext) =>
    serve(httpContext, (httpContext.params.path ?? '').replace(/\/+$/, '') || 'index'),
  );
  router.route('GET', '/llms.txt', policy, (httpContext) => serve(httpContext, 'llms.txt'));
}
