import { GatewayError } from '../core/errors.ts';
import { HeaderBlock } from '../core/http.ts';
import { lazy } from '../core/lazy.ts';
import type { HttpRouter } from '../http/http-router.ts';
import { httpResponse, jsonResponse, SECURITY_HEADERS } from '../http/response.ts';
import { ANYONE, NO_BODY } from '../http/route-policy.ts';

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Weir API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<main id="docs"><p>Loading the API description ... It is also at <a href="/openapi.json">/openapi.json</a>.</p></main>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
`;
const START = `window.SwaggerUIBundle({ url: '/openapi.json', dom_id: '#docs', deepLinking: true, persistAuthorization: true });\n`;
const PAGE_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'";

const PAGE_HEADERS = new HeaderBlock({
  ...SECURITY_HEADERS,
  'content-security-policy': PAGE_POLICY,
  'cache-control': 'public, max-age=3600',
});

/** A file of the documentation page. */
export type AssetReader = (
  name: 'swagger-ui.css' | 'swagger-ui-bundle.js',
) => Promise<Uint8Array<ArrayBuffer>>;

export interface DocsOptions {
  /** False answers 404 everywhere. */
  readonly enabled: () => boolean;
  /** Makes the OpenAPI document, as JSON text. Called at the first request for it, and again only after a failure. */
  readonly describe: () => Promise<string>;
  /** Called at the first request for a file, and again only after a failure. */
  readonly readAsset: AssetReader;
}

/** The API description and a page to read and try it; neither needs a key, and nothing is loaded from another origin. */
export function addDocsRoutes(router: HttpRouter, { enabled, describe, readAsset }: DocsOptions): void {
  const document = lazy(describe);
  const policy = { access: ANYONE, body: NO_BODY };
  const guard = () => {
    if (!enabled()) throw new GatewayError('not_found', 'The documentation is switched off (server.docs).');
  };
  const asset = (body: string | Uint8Array<ArrayBuffer>, contentType: string) =>
    httpResponse(200, body, { 'content-type': contentType }, PAGE_HEADERS);
  router.route('GET', '/openapi.json', policy, async (httpContext) => {
    guard();
    return jsonResponse(httpContext.request, 200, await document(), {});
  });
  router.route('GET', '/docs', policy, () => {
    guard();
    return asset(PAGE, 'text/html; charset=utf-8');
  });
  router.route('GET', '/docs/start.js', policy, () => {
    guard();
    return asset(START, 'text/javascript; charset=utf-8');
  });
  for (const [name, type] of [
    ['swagger-ui.css', 'text/css; charset=utf-8'],
    ['swagger-ui-bundle.js', 'text/javascript; charset=utf-8'],
  ] as const) {
    // One copy for all responses: a client that reads none of them must not have one each.
    const read = lazy(() => readAsset(name));
    router.route('GET', `/docs/${name}`, policy, async () => {
      guard();
      return asset(await read(), type);
    });
  }
}
