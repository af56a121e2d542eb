import type { Stores } from '../../app/stores.ts';
import { Webhooks } from '../../webhooks/webhooks.ts';
import { BY_OPERATOR } from '../operator.ts';

/** Path of the receivers that the demo serves; the last part is the status of their responses. */
export const RECEIVER = '/receiver/';

/** @returns the response of a receiver of webhooks; undefined for other paths */
export function receiverResponse(request: Request): Response | undefined {
  const { pathname } = new URL(request.url);
  if (!pathname.startsWith(RECEIVER)) return undefined;
  const status = Number(pathname.slice(RECEIVER.length));
  return status === 204
    ? new Response(null, { status })
    : new Response(`The receiver responds with ${status}.`, { status });
}

const WEBHOOKS = [
  { status: 204, description: 'Keys and budgets, to the security team', events: ['api_key.*', 'budget.*'] },
  { status: 503, description: 'Members, to the directory', events: ['member.*', 'invitation.*'] },
  { status: 410, description: 'Everything, to the old collector', events: ['*'] },
];

/** Adds webhooks to a tenant: one whose receiver works, one whose receiver fails, one whose receiver is gone. */
export async function addWebhooks(
  { control, sources, webhookBox: box }: Stores,
  tenant: string,
  receiverUrl: string,
): Promise<void> {
  const webhooks = new Webhooks({ control, sources, box, allowPrivate: true, audit: async () => undefined });
  for (const { status, ...settings } of WEBHOOKS) {
    await webhooks.create(tenant, { ...settings, url: `${receiverUrl}${RECEIVER}${status}` }, BY_OPERATOR);
  }
}
