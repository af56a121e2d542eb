import { createHash } from 'node:crypto';
import { HeaderBlock, type HttpResponse } from '../core/http.ts';
import type { HttpContext } from '../http/http-context.ts';
import type { HttpRouter } from '../http/http-router.ts';
import { httpResponse, SECURITY_HEADERS } from '../http/response.ts';
import { ANYONE, NO_BODY } from '../http/route-policy.ts';
import type { LifecycleState } from '../pipeline/lifecycle.ts';
import { favicon } from './favicon.ts';

const STYLE = `
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 3rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0; }
h2 { font-size: 1.1rem; margin: 2rem 0 0.5rem; }
pre { overflow-x: auto; padding: 0.75rem; border: 1px solid #8886; border-radius: 4px; }
code { font: 0.875rem/1.5 ui-monospace, monospace; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.25rem 1rem; }
dd { margin: 0; }
`;
const STYLE_HASH = createHash('sha256').update(STYLE).digest('base64');

const PAGE_HEADERS = new HeaderBlock({
  ...SECURITY_HEADERS,
  'content-type': 'text/html; charset=utf-8',
  // Nothing but this style sheet and the icon: no script, no form, no other origin.
  'content-security-policy': `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
});

const ICON_HEADERS = new HeaderBlock({
  ...SECURITY_HEADERS,
  'content-type': 'image/x-icon',
  'cache-control': 'public, max-age=86400',
});

export interface StatusPageOptions {
  readonly version: string;
  readonly state: () => LifecycleState | 'degraded';
  /** Whether `/docs` and `/openapi.json` are served. */
  readonly hasDocs: () => boolean;
  /** Where the client reaches this gateway, without a slash at the end; undefined when it did not say. */
  readonly originOf: (httpContext: HttpContext) => string | undefined;
}

const STATES: Readonly<Record<LifecycleState | 'degraded', string>> = {
  starting: 'starting',
  ready: 'ready: it accepts requests',
  degraded: 'degraded: its disk rejects writes, so administration fails and usage is kept in memory',
  draining: 'draining: it completes open requests and accepts no new ones',
  stopped: 'stopped',
};

/** Adds the icon. @returns the page that browsers get where there is no console */
export function addStatusPage(
  router: HttpRouter,
  options: StatusPageOptions,
): (httpContext: HttpContext) => HttpResponse {
  const policy = { access: ANYONE, body: NO_BODY, servedWhileDraining: true };
  router.route('GET', '/favicon.ico', policy, () => httpResponse(200, favicon(), {}, ICON_HEADERS));
  return (httpContext) => page(options.originOf(httpContext) ?? '', options);
}

function page(origin: string, { version, state, hasDocs }: StatusPageOptions): HttpResponse {
  const current = state();
  const base = escapeHtml(origin);
  const links = [
    ...(hasDocs()
      ? [
          ['/docs', 'API reference, with a form for each endpoint'],
          ['/openapi.json', 'the same for programs, as OpenAPI 3.1'],
          ['/docs/guide', 'the guide: configuration, providers, tenants, limits, operation'],
        ]
      : []),
    ['/health', 'health, as JSON'],
  ];
  const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Weir</title>
<link rel="icon" href="/favicon.ico">
<style>${STYLE}</style>
</head>
<body>
<h1>Weir ${escapeHtml(version)}</h1>
<p>An LLM inference gateway. This one is ${STATES[current]}.</p>
<h2>Use it</h2>
<p>OpenAI's SDKs take the base URL <code>${base}/v1</code>, Anthropic's take <code>${base}</code>. Both need an API key.</p>
<pre><code>curl ${base}/v1/chat/completions \\
  -H "Authorization: Bearer $WEIR_API_KEY" -H "Content-Type: application/json" \\
  -d '{"model":"simulator","messages":[{"role":"user","content":"Hello, who are you?"}]}'</code></pre>
<h2>Next</h2>
<dl>
${links.map(([path, text]) => `<dt><a href="${path}">${path}</a></dt><dd>${text}</dd>`).join('\n')}
</dl>
<p>On the machine that runs Weir (<code>npm run weir --</code> in a checkout):</p>
<dl>
<dt><code>weir keys create --name my-app</code></dt><dd>creates an API key</dd>
<dt><code>weir doctor</code></dt><dd>checks the setup and lists what to fix</dd>
</dl>
</body>
</html>
`;
  return httpResponse(current === 'ready' ? 200 : 503, html, { vary: 'accept' }, PAGE_HEADERS);
}

function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
