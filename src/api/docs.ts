import { GatewayError } from '../core/errors.ts';
import type { Door } from '../http/door.ts';
import { type DocumentedRoute, describeRoutes, openApiDocument } from '../http/openapi.ts';
import { jsonResponse, SECURITY_HEADERS } from '../http/response.ts';
import { promptRequest, promptResponse } from './native/endpoints.ts';
import {
  chatRequest,
  chatResponse,
  completionRequest,
  completionResponse,
  embeddingRequest,
  embeddingResponse,
  errorResponse,
  modelList,
  modelObject,
} from './openai/schemas.ts';
import { healthResponse } from './operations.ts';

const ROUTES: readonly DocumentedRoute[] = [
  {
    method: 'post',
    path: '/v1/chat/completions',
    tag: 'Inference',
    summary: 'Answer a conversation',
    description:
      "OpenAI's chat completions. With `stream: true` the answer is an event stream of chunks that ends with `[DONE]`.",
    request: chatRequest,
    response: chatResponse,
    streams: true,
  },
  {
    method: 'post',
    path: '/v1/completions',
    tag: 'Inference',
    summary: 'Continue a text',
    request: completionRequest,
    response: completionResponse,
    streams: true,
  },
  {
    method: 'post',
    path: '/v1/embeddings',
    tag: 'Inference',
    summary: 'Turn texts into vectors',
    request: embeddingRequest,
    response: embeddingResponse,
  },
  { method: 'get', path: '/v1/models', tag: 'Models', summary: 'List the models', response: modelList },
  {
    method: 'get',
    path: '/v1/models/{id}',
    tag: 'Models',
    summary: 'Look one model up',
    parameters: ['id'],
    response: modelObject,
  },
  {
    method: 'post',
    path: '/inference',
    tag: 'Simple',
    summary: 'A prompt in, text out',
    description: 'With `accept: text/plain` the answer is the bare text.',
    request: promptRequest,
    response: promptResponse,
  },
  {
    method: 'post',
    path: '/stream',
    tag: 'Simple',
    summary: 'A prompt in, a stream of text out',
    description:
      'Events: `{"text"}` as it comes, `event: reasoning`, and at the end `event: done` or `event: error`.',
    request: promptRequest,
    responseType: 'text/event-stream',
  },
  {
    method: 'get',
    path: '/stream',
    tag: 'Simple',
    summary: 'The same, with the prompt in the query',
    query: promptRequest,
    responseType: 'text/event-stream',
  },
  {
    method: 'get',
    path: '/health',
    tag: 'Operations',
    summary: 'How the gateway is',
    response: healthResponse,
    open: true,
  },
  {
    method: 'get',
    path: '/health/live',
    tag: 'Operations',
    summary: 'Is the process alive',
    open: true,
    responseType: 'application/json',
  },
  {
    method: 'get',
    path: '/health/ready',
    tag: 'Operations',
    summary: 'May requests be sent here',
    open: true,
    responseType: 'application/json',
  },
  {
    method: 'get',
    path: '/metrics',
    tag: 'Operations',
    summary: 'Prometheus metrics',
    responseType: 'text/plain',
  },
];

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

/** A file of the documentation page. */
export type AssetReader = (
  name: 'swagger-ui.css' | 'swagger-ui-bundle.js',
) => Promise<Uint8Array<ArrayBuffer>>;

export interface DocsOptions {
  readonly version: string;
  readonly enabled: () => boolean;
  readonly readAsset: AssetReader;
}

/** The API description and a page to read and try it; neither needs a key, and nothing is loaded from elsewhere. */
export function addDocsRoutes(door: Door, { version, enabled, readAsset }: DocsOptions): void {
  describeRoutes(door, ROUTES, errorResponse);
  const document = openApiDocument(door, version);
  const guard = () => {
    if (!enabled()) throw new GatewayError('not_found', 'The documentation is switched off (server.docs).');
  };
  const asset = (body: string | Uint8Array<ArrayBuffer>, contentType: string) =>
    new Response(body, {
      headers: {
        ...SECURITY_HEADERS,
        'content-type': contentType,
        'content-security-policy': PAGE_POLICY,
        'cache-control': 'public, max-age=3600',
      },
    });
  door.route('GET', '/openapi.json', (exchange) => {
    guard();
    return jsonResponse(exchange.request, 200, document, {});
  });
  door.route('GET', '/docs', () => {
    guard();
    return asset(PAGE, 'text/html; charset=utf-8');
  });
  door.route('GET', '/docs/start.js', () => {
    guard();
    return asset(START, 'text/javascript; charset=utf-8');
  });
  for (const [name, type] of [
    ['swagger-ui.css', 'text/css; charset=utf-8'],
    ['swagger-ui-bundle.js', 'text/javascript; charset=utf-8'],
  ] as const) {
    door.route('GET', `/docs/${name}`, async () => {
      guard();
      return asset(await readAsset(name), type);
    });
  }
}
