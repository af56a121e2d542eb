import { expect, test } from 'bun:test';
import { z } from '@hono/zod-openapi';
import { openApiDocument } from './openapi.ts';

test('describes routes by the schemas that requests are checked with', () => {
  const body = z.object({ model: z.string() });
  const text = openApiDocument(
    [
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
    z.object({ error: z.string() }),
    '1.2.3',
  );
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
