import { describe, expect, test } from 'bun:test';
import { z } from 'zod';
import { type DocumentedRoute, openApiDocument } from './openapi.ts';

test('describes routes by the schemas that requests are checked with', () => {
  const body = z.object({ model: z.string() });
  const text = openApiDocument({
    version: '1.2.3',
    error: z.object({ error: z.string() }),
    routes: [
      {
        method: 'post',
        path: '/v1/things/{id}',
        summary: 'Make one',
        tag: 'T',
        request: body,
        response: body,
        parameters: ['id'],
        streams: true,
      },
      { method: 'get', path: '/health', summary: 'Health', tag: 'T', open: true },
    ],
  });
  const document = JSON.parse(text);
  expect(document).toMatchObject({
    openapi: '3.1.0',
    info: { version: '1.2.3' },
    security: [{ bearer: [] }, { apiKey: [] }],
  });
  const { post } = document.paths['/v1/things/{id}'];
  expect(post.requestBody.content['application/json'].schema.required).toEqual(['model']);
  expect(Object.keys(post.responses['200'].content)).toEqual(['application/json', 'text/event-stream']);
  expect(post.parameters).toMatchObject([{ in: 'path', name: 'id', required: true }]);
  expect(Object.keys(post.responses)).toContain('429');
  const { get } = document.paths['/health'];
  expect([get.security, Object.keys(get.responses)]).toEqual([[], ['200']]);
});

describe('schemas', () => {
  const document = (route: Pick<DocumentedRoute, 'request' | 'response' | 'query'>) =>
    JSON.parse(
      openApiDocument({
        version: '1',
        error: z.object({}).meta({ id: 'Error' }),
        routes: [{ method: 'post', path: '/things', summary: 'Make one', tag: 'T', ...route }],
      }),
    );

  test('a schema with an id is a component that all refer to, with its example; others are inline', () => {
    const thing = z.object({ name: z.string() }).meta({ id: 'Thing', example: { name: 'one' } });
    const { paths, components } = document({ request: thing, response: z.array(thing) });
    const reference = { $ref: '#/components/schemas/Thing' };
    expect(paths['/things'].post.requestBody.content['application/json'].schema).toEqual(reference);
    expect(paths['/things'].post.responses['200'].content['application/json'].schema).toEqual({
      type: 'array',
      items: reference,
    });
    expect(components.schemas.Thing).toEqual({
      type: 'object',
      properties: { name: { type: 'string' } },
      required: ['name'],
      example: { name: 'one' },
    });
  });

  test('parameters of a query are described as clients write them, also those of a component', () => {
    const query = z.object({
      name: z.string().describe('Its name.'),
      limit: z.string().transform(Number).default(50).describe('How many.'),
      at: z.iso.datetime().optional(),
    });
    for (const schema of [query, query.meta({ id: 'Query' })]) {
      expect(document({ query: schema }).paths['/things'].post.parameters).toEqual([
        { name: 'name', in: 'query', required: true, description: 'Its name.', schema: { type: 'string' } },
        {
          name: 'limit',
          in: 'query',
          required: false,
          description: 'How many.',
          schema: { type: 'string', default: '50' },
        },
        { name: 'at', in: 'query', required: false, schema: { type: 'string', format: 'date-time' } },
      ]);
    }
  });

  test('only strict objects are closed, and whole numbers have only limits that they were given', () => {
    const { paths } = document({
      request: z.strictObject({ n: z.int() }),
      response: z.object({ n: z.int() }),
    });
    const { requestBody, responses } = paths['/things'].post;
    expect(requestBody.content['application/json'].schema).toMatchObject({ additionalProperties: false });
    const open = responses['200'].content['application/json'].schema;
    expect(open).toEqual({ type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] });
  });

  test('two schemas with one id are a defect', () => {
    const one = z.object({ a: z.string() }).meta({ id: 'Same' });
    const other = z.object({ b: z.string() }).meta({ id: 'Same' });
    expect(() => document({ request: one, response: other })).toThrow('Same');
  });
});
