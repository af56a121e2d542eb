import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import { after, before, describe, test } from 'node:test';
import type { Page } from 'playwright-core';
import { assertAccessible, assertFits, sees, seesNot } from './browser.ts';
import { admin, createMember, createTenant, eventually, SKIP, visiting } from './fixture.ts';

const dialog = (page: Page, name: string | RegExp) => page.getByRole('dialog', { name });

describe('events and webhooks', { skip: SKIP }, () => {
  let receiver: Server;
  let url = '';
  let status = 204;
  const received: { readonly id: string; readonly signatures: number }[] = [];
  let viewer = '';
  before(async () => {
    receiver = createServer((request, response) => {
      const signatures = String(request.headers['webhook-signature']).split(' ').length;
      received.push({ id: String(request.headers['webhook-id']), signatures });
      request.resume().on('end', () => response.writeHead(status).end(`status ${status}`));
    });
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
    const address = receiver.address();
    if (address === null || typeof address === 'string') throw new Error('the receiver has no port');
    url = `http://127.0.0.1:${address.port}/hook`;
    await createTenant('hooked', 'Hooked Inc.');
    viewer = await createMember('hooked', 'viewer');
  });
  after(() => receiver?.close());

  test('a webhook is created, tested, changed, rotated, repaired and deleted', () =>
    visiting({ tenant: 'hooked' }, async ({ page, open, settled, expects }) => {
      await open('events?tab=webhooks');
      await sees(page.getByText('There is no webhook.'));
      await page.getByRole('button', { name: 'Create a webhook' }).click();
      const creating = dialog(page, 'Create a webhook');
      await creating.getByLabel('URL').fill(url);
      expects('/admin/v1/tenants/hooked/webhooks');
      await creating.getByLabel('Events', { exact: true }).fill('nothing.has_this');
      await creating.getByRole('button', { name: 'Create' }).click();
      await sees(creating.getByRole('alert').getByText('matches no type of event'));
      await creating.getByLabel('Events', { exact: true }).fill('');
      await creating.getByRole('button', { name: 'api_key.*' }).click();
      await sees(creating.getByText(/They select 4 types: api_key.created/));
      await creating.getByLabel('Description').fill('keys');
      await creating.getByRole('button', { name: 'Create' }).click();
      const ready = dialog(page, 'The webhook is ready');
      assert.match((await ready.locator('code').first().textContent()) ?? '', /^whsec_/);
      await ready.getByRole('button', { name: 'Done' }).click();

      const hook = dialog(page, url);
      await hook.getByRole('button', { name: 'Send a test' }).click();
      await sees(hook.getByText('test delivered'));
      await sees(hook.getByText(/HTTP 204 after \d+ ms/).first());
      await assertAccessible(page, 'a webhook');
      await assertFits(page, 'a webhook');
      await hook.getByRole('button', { name: 'budget.*' }).click();
      await hook.getByLabel('Description').fill('keys and budgets');
      await hook.getByRole('button', { name: 'Save' }).click();
      await settled();

      await hook.getByRole('button', { name: 'Rotate the secret' }).click();
      await dialog(page, 'Rotate the secret').getByRole('button', { name: 'Rotate' }).click();
      await sees(hook.getByText('Copy the new secret now'));
      await sees(hook.getByText('the old secret signs too until'));

      // A key is an event; both secrets sign it. Its delivery fails and is sent again.
      status = 500;
      await admin('POST', '/admin/v1/tenants/hooked/keys', { name: 'reported' });
      const failed = hook.getByRole('row').filter({ hasText: 'api_key.created' });
      await failed.filter({ hasText: 'retrying' }).click();
      const delivery = dialog(page, 'api_key.created');
      await sees(delivery.getByText('status 500'));
      await sees(delivery.getByText('"name": "reported"'));
      await assertAccessible(page, 'a delivery');
      assert.equal(received.at(-1)?.signatures, 2);
      status = 204;
      await delivery.getByRole('button', { name: 'Send again' }).click();
      await sees(delivery.getByText('delivered'));
      assert.equal(new Set(received.slice(-2).map(({ id }) => id)).size, 1);
      await page.keyboard.press('Escape');

      await hook.getByRole('button', { name: 'Disable' }).click();
      await dialog(page, 'Disable the webhook').getByRole('button', { name: 'Disable' }).click();
      await sees(hook.getByText('It is disabled and receives nothing'));
      await hook.getByRole('button', { name: 'Enable' }).click();
      await seesNot(hook.getByText('It is disabled and receives nothing'));
      await hook.getByRole('button', { name: 'Redeliver failed ones' }).click();
      const again = dialog(page, 'Redeliver failed deliveries');
      await again.getByRole('button', { name: 'Redeliver' }).click();
      await sees(again.getByText('0 deliveries sent again.'));
      await again.getByRole('button', { name: 'Done' }).click();

      await hook.getByRole('button', { name: 'Delete' }).click();
      const deleting = dialog(page, 'Delete the webhook');
      await sees(deleting.getByText('The log of 2 deliveries.'));
      await deleting.getByLabel(/to confirm/).fill(new URL(url).host);
      await deleting.getByRole('button', { name: 'Delete' }).click();
      await sees(page.getByText('There is no webhook.'));
    }));

  test('one that an endpoint ended with 410 says so, and is enabled again', async () => {
    status = 410;
    const { id } = await admin('POST', '/admin/v1/tenants/hooked/webhooks', { url, events: ['tenant.*'] });
    await admin('PATCH', '/admin/v1/tenants/hooked', { name: 'Hooked and renamed' });
    const path = `/admin/v1/tenants/hooked/webhooks/${id}`;
    await eventually('disabled', async () => (await admin('GET', path)).status === 'disabled');
    await visiting({ tenant: 'hooked' }, async ({ page, open }) => {
      await open('events?tab=webhooks');
      await sees(page.getByText(`${url} receives nothing: it is disabled`));
      await page.getByRole('button', { name: `Open ${url}` }).click();
      await dialog(page, url).getByRole('button', { name: 'Enable' }).click();
      await seesNot(page.getByText('receives nothing: it is disabled'));
    });
    await admin('DELETE', path);
    status = 204;
  });

  test('two administrators who change one webhook see what differs', async () => {
    const { id } = await admin('POST', '/admin/v1/tenants/hooked/webhooks', { url, events: ['budget.*'] });
    const path = `/admin/v1/tenants/hooked/webhooks/${id}`;
    await visiting({ tenant: 'hooked' }, async ({ page, open, expects }) => {
      await open(`events?tab=webhooks&webhook=${id}`);
      await dialog(page, url).getByLabel('Description').fill('mine');
      await admin('PATCH', path, { description: 'theirs' });
      expects(path);
      await dialog(page, url).getByRole('button', { name: 'Save' }).click();
      const asked = dialog(page, 'Another administrator has changed it');
      await sees(asked.getByText('theirs'));
      await asked.getByRole('button', { name: 'Keep mine' }).click();
      await asked.waitFor({ state: 'hidden' });
    });
    assert.equal((await admin('GET', path)).description, 'mine');
    await admin('DELETE', path);
  });

  test('the event log is filtered, followed and opened by a link', () =>
    visiting({ tenant: 'hooked' }, async ({ page, open, settled }) => {
      await open('events?tab=log');
      const table = page.getByRole('table', { name: 'Event log' });
      await sees(table.getByText('tenant.created'));
      await page.getByLabel('Type', { exact: true }).first().selectOption('member.added');
      await settled();
      await seesNot(table.getByText('tenant.created'));
      await page.getByLabel('Type', { exact: true }).first().selectOption('');
      const streaming = page.waitForResponse((response) => response.url().endsWith('/events/stream'));
      await page.getByRole('button', { name: 'Follow' }).click();
      await streaming;
      await admin('POST', '/admin/v1/tenants/hooked/keys', { name: 'followed' });
      await sees(table.getByRole('row').nth(1).getByText('api_key.created'));
      await page.getByRole('button', { name: 'Pause' }).click();

      await page.getByRole('button', { name: 'Trigger a test event' }).click();
      const trigger = dialog(page, 'Trigger a test event');
      await trigger.getByLabel('Type').selectOption('budget.exceeded');
      await sees(trigger.getByText('"used"'));
      await trigger.getByRole('button', { name: 'Trigger' }).click();
      await table.getByRole('row').filter({ hasText: 'budget.exceeded' }).click();
      const event = dialog(page, 'budget.exceeded');
      await sees(event.getByText('A person triggered it to test receivers.'));
      await assertAccessible(page, 'an event');
      // By its link, it opens where a filter leaves it out, too.
      await page.goto(`${page.url()}&type=member.added`);
      await sees(event.getByText('"budget.exceeded"'));
      await page.goto(page.url().replace(/event=evt_\w+/, 'event=evt_none'));
      await sees(page.getByText('evt_none could not be opened'));
    }));

  test('are not shown to those who may not read them', () =>
    visiting({ email: viewer }, async ({ page, open }) => {
      await open('events?tab=webhooks');
      await sees(page.getByText('Your role does not read events'));
      await seesNot(page.getByRole('button', { name: 'Create a webhook' }));
    }));
});
