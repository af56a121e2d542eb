import { OpenAPIHono, type RouteConfig, z } from '@hono/zod-openapi';

const VERSION_OF_OPENAPI = '3.1.0';

export interface DocumentedRoute {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  readonly path: string;
  readonly summary: string;
  readonly description?: string;
  readonly tag: string;
  readonly request?: z.ZodType;
  readonly response?: z.ZodType;
  /** For answers that are not JSON. */
  readonly responseType?: string;
  /** Parameters in the query. */
  readonly query?: z.ZodObject;
  /** Names of path parameters. */
  readonly parameters?: readonly string[];
  readonly open?: boolean;
  readonly streams?: boolean;
  /** Of success; 200 by default. */
  readonly status?: 200 | 201 | 204;
  /** Of failures, beside those that any route may have. */
  readonly errors?: readonly string[];
}

type Registry = OpenAPIHono['openAPIRegistry'];

/** Adds routes to the API description. The schemas are the ones that requests are checked with. */
function describeRoutes(
  registry: Registry,
  routes: readonly DocumentedRoute[],
  errorSchema: z.ZodType,
): void {
  for (const route of routes) {
    const content = route.response
      ? { 'application/json': { schema: route.response } }
      : { [route.responseType ?? 'text/plain']: { schema: z.string() } };
    const errors = Object.fromEntries(
      (route.open ? [] : (route.errors ?? ['400', '401', '404', '413', '429', '502', '503', '504'])).map(
        (status) => [
          status,
          {
            description: 'An error in OpenAI form.',
            content: { 'application/json': { schema: errorSchema } },
          },
        ],
      ),
    );
    const config: RouteConfig = {
      method: route.method,
      path: route.path,
      summary: route.summary,
      tags: [route.tag],
      ...(route.description === undefined ? {} : { description: route.description }),
      ...(route.open ? { security: [] } : {}),
      request: {
        ...(route.request
          ? { body: { required: true, content: { 'application/json': { schema: route.request } } } }
          : {}),
        ...(route.query ? { query: route.query } : {}),
        ...(route.parameters
          ? { params: z.object(Object.fromEntries(route.parameters.map((name) => [name, z.string()]))) }
          : {}),
      },
      responses: {
        [String(route.status ?? 200)]:
          route.status === 204
            ? { description: 'Done.' }
            : {
                description: 'The answer.',
                content: route.streams
                  ? { ...content, 'text/event-stream': { schema: z.string() } }
                  : content,
              },
        ...errors,
      },
    };
    registry.registerPath(config);
  }
}

/** The OpenAPI document of routes. */
export function openApiDocument(
  routes: readonly DocumentedRoute[],
  errorSchema: z.ZodType,
  version: string,
): string {
  // Only its description is used: requests never come here.
  const described = new OpenAPIHono();
  const registry = described.openAPIRegistry;
  describeRoutes(registry, routes, errorSchema);
  registry.registerComponent('securitySchemes', 'bearer', { type: 'http', scheme: 'bearer' });
  registry.registerComponent('securitySchemes', 'apiKey', {
    type: 'apiKey',
    in: 'header',
    name: 'x-api-key',
  });
  return JSON.stringify(
    described.getOpenAPI31Document({
      openapi: VERSION_OF_OPENAPI,
      info: {
        title: 'Weir',
        version,
        description:
          'One OpenAI-compatible door in front of every model provider and engine. Fields that are not listed pass on to the upstream as they are.',
        license: { name: 'MIT' },
      },
      servers: [{ url: '/' }],
      security: [{ bearer: [] }, { apiKey: [] }],
    }),
  );
}
