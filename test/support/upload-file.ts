import type { InProcessGateway } from './gateway-in-process.ts';
import { asHttpRequest, asResponse } from './web-messages.ts';

/** Uploads a file for batches. @returns its id */
export async function uploadFile(
  { gateway }: InProcessGateway,
  key: string,
  text: string,
  filename = 'input.jsonl',
): Promise<string> {
  const body = new FormData();
  body.set('purpose', 'batch');
  body.set('file', new File([text], filename));
  const request = new Request('http://weir.test/v1/files', {
    ...{ method: 'POST', body, headers: { authorization: `Bearer ${key}` } },
  });
  const response = asResponse(await gateway.router.handle(asHttpRequest(request)));
  const { id }: { id: string } = JSON.parse(await response.text());
  return id;
}

/** Creates a batch of one line, which does not run before background jobs do. @returns its id */
export async function createBatch(gateway: InProcessGateway, key: string): Promise<string> {
  const line = {
    custom_id: 'a',
    method: 'POST',
    url: '/v1/embeddings',
    body: { model: 'simulator', input: 'x' },
  };
  const file = await uploadFile(gateway, key, JSON.stringify(line));
  const batch = await gateway.call('POST', '/v1/batches', {
    ...{ key, body: { input_file_id: file, endpoint: '/v1/embeddings', completion_window: '24h' } },
  });
  return String(batch.body.id);
}
