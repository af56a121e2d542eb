import { expect, test } from 'bun:test';
import { isUnsupported } from './unsupported-error.ts';

test.each([
  [501, 'anything', true],
  [501, 'This server does not support embeddings. Start it with `--embeddings`', true],
  [
    500,
    'image input is not supported - hint: if this is unexpected, you may need to provide the mmproj',
    true,
  ],
  [500, 'tools param requires --jinja flag', true],
  [500, 'Not implemented', true],
  [400, 'The model does not support Embeddings API', true],
  [400, 'The model does not support Rerank (Score) API', true],
  [400, 'Qwen/Qwen2.5-7B-Instruct is not a multimodal model', true],
  [400, 'At most 0 image(s) may be provided in one prompt.', true],
  [400, '"all-minilm:latest" does not support chat', true],
  [400, 'registry.example/library/gemma:2b does not support tools', true],
  [400, "This model doesn't support the image content block that you provided", true],
  [404, 'This is not a chat model and thus not supported in the v1/chat/completions endpoint.', true],
  [404, 'No endpoints found that support image input', true],
  [404, 'Not Found', false],
  [405, 'Method Not Allowed', false],
])('HTTP %d %j is beyond the server', (status, message, hasErrorObject) => {
  expect(isUnsupported(status, message, hasErrorObject)).toBe(true);
});

test.each([
  [500, 'internal error'],
  [500, undefined],
  [503, 'Loading model: not supported yet'],
  [400, "Unsupported value: 'temperature' does not support 0.2 with this model."],
  [400, "Unsupported parameter: 'max_tokens' is not supported with this model."],
  [400, 'Images are too large'],
  [404, 'The model `x` does not exist'],
  [404, 'Not Found'],
  [422, 'Field required'],
  [429, 'chat is not supported now'],
])('HTTP %d %j is not', (status, message) => {
  expect(isUnsupported(status, message, true)).toBe(false);
});
