import { GatewayError } from '../core/errors.ts';
import { HeaderBlock, type HttpResponse } from '../core/http.ts';
import { lazy } from '../core/lazy.ts';
import type { HttpContext } from '../http/http-context.ts';
import type { HttpRouter } from '../http/http-router.ts';
import { httpResponse, SECURITY_HEADERS } from '../http/response.ts';
import { ANYONE, NO_BODY } from '../http/route-policy.ts';
import { fileResponse, type StaticFile } from '../http/static-file.ts';

/** The console, as `console/build.ts` wrote it. */
export interface ConsoleBuild {
  /** The page, with `{{nonce}}` where the nonce of a response goes. */
  readonly page: string;
  /** By name; each name contains a hash of its content. */
  readonly files: ReadonlyMap<string, StaticFile>;
}

export interface ConsoleOptions {
  /** `server.console`. */
  readonly enabled: () => boolean;
  /** Reads the build at the first request for the console. @returns undefined when there is none */
  readonly read: () => Promise<ConsoleBuild | undefined>;
  /** 128 random bits, in hexadecimal digits. */
  readonly newNonce: () => string;
  /** The page of browsers where there is no console. */
  readonly statusPage: (httpContext: HttpContext) => HttpResponse;
}

/** Names of files contain a hash of their content. */
const FILE_HEADERS = new HeaderBlock({
  ...SECURITY_HEADERS,
  'cache-control': 'public, max-age=31536000, immutable',
  vary: 'accept-encoding',
});

const { 'content-security-policy': _, ...OTHER_SECURITY_HEADERS } = SECURITY_HEADERS;
/** The policy of each page has a nonce of its own. */
const PAGE_HEADERS = new HeaderBlock({
  ...OTHER_SECURITY_HEADERS,
  'content-type': 'text/html; charset=utf-8',
  vary: 'accept',
});

/** Scripts and style sheets of this origin alone. The nonce is for the style elements that dialogs insert to lock the page. */
const policyOf = (nonce: string) =>
  [
    "default-src 'none'",
    "script-src 'self'",
    `style-src 'self' 'nonce-${nonce}'`,
    "img-src 'self' data: blob:",
    "font-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join('; ');

/**
 * Adds the console at `/console`, and the way to it from `/`, for browsers. Clients that do not ask for HTML get the same JSON
 * error as for any other unknown path.
 */
export function addConsoleRoutes(router: HttpRouter, options: ConsoleOptions): void {
  const policy = { access: ANYONE, body: NO_BODY, servedWhileDraining: true };
  const read = lazy(options.read);
  const build = async () => (options.enabled() ? read() : undefined);

  router.route('GET', '/', policy, async (httpContext) => {
    assertBrowser(httpContext, '/');
    if (!(await build())) return options.statusPage(httpContext);
    return httpResponse(302, '', { location: '/console', vary: 'accept' });
  });
  const page = async (httpContext: HttpContext, path: string) => {
    assertBrowser(httpContext, path);
    const built = await build();
    if (!built) return options.statusPage(httpContext);
    const nonce = options.newNonce();
    return httpResponse(
      200,
      built.page.replaceAll('{{nonce}}', nonce),
      { 'content-security-policy': policyOf(nonce) },
      PAGE_HEADERS,
    );
  };
  router.route('GET', '/console', policy, (httpContext) => page(httpContext, '/console'));
  router.route('GET', '/console/assets/:name', policy, async (httpContext) => {
    const name = httpContext.params.name ?? '';
    const file = (await build())?.files.get(name);
    if (!file) throw new GatewayError('not_found', 'There is no such file of the console: reload the page.');
    return fileResponse(httpContext.request, file, FILE_HEADERS);
  });
  // The console finds its own pages.
  router.route('GET', '/console/:page{.*}', policy, (httpContext) =>
    page(httpContext, `/console/${httpContext.params.page ?? ''}`),
  );
}

/** @throws GatewayError `not_found` for clients that do not ask for HTML: browsers do, SDKs and command-line clients do not */
function assertBrowser({ request }: HttpContext, path: string): void {
  if (/\btext\/html\b/i.test(request.headers.get('accept') ?? '')) return;
  throw new GatewayError(
    'not_found',
    `Unknown path: ${request.method} ${path.slice(0, 200)}. The API is below /v1, and /docs describes it.`,
    { headers: { vary: 'accept' } },
  );
}
