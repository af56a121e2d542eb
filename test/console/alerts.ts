import { before, describe, test } from 'node:test';
import type { Page } from 'playwright-core';
import { assertAccessible, assertFits, sees, seesNot } from './browser.ts';
import { admin, createMember, createTenant, eventually, SKIP, theGateway, visiting } from './fixture.ts';

const dialog = (page: Page, name: string | RegExp) => page.getByRole('dialog', { name });

describe('alerts', { skip: SKIP }, () => {
  let viewer = '';
  before(async () => {
    await createTenant('watched', 'Watched Inc.');
    viewer = await createMember('watched', 'viewer');
    // A quota that is used up: an alert fires within some seconds.
    await admin('POST', '/admin/v1/tenants/watched/keys', {
      ...{ name: 'spent', limits: [{ of: 'requests', per: 'day', max: 1, mode: 'warn' }] },
    }).then(({ key }) => sendWith(String(key)));
  });

  test('are seen and silenced; rules are tried and changed; receivers are added', () =>
    visiting({ tenant: 'watched' }, async ({ page, open, go }) => {
      await open('alerts?tab=rules');
      await page.getByRole('row').filter({ hasText: 'error_rate' }).click();
      const rule = dialog(page, 'error_rate');
      await rule.getByLabel('Fires above').fill('12');
      await rule.getByRole('button', { name: 'Try it on the last week' }).click();
      await sees(rule.getByText('It would have fired 0 times in the last week.'));
      await assertAccessible(page, 'a rule');
      await assertFits(page, 'a rule');
      await rule.getByRole('button', { name: 'Save' }).click();
      await sees(page.getByRole('row').filter({ hasText: 'error_rate' }).filter({ hasText: '12 %' }));

      await page.getByRole('button', { name: 'Receivers', exact: true }).click();
      await page.getByRole('button', { name: 'Add a receiver' }).click();
      const adding = dialog(page, 'Add a receiver');
      await adding.getByLabel('Name').fill('On call');
      await adding.getByLabel('Addresses').fill('ops@watched.test, cto@watched.test');
      await adding.getByRole('button', { name: 'Add', exact: true }).click();
      await page.getByRole('row').filter({ hasText: 'On call' }).click();
      const receiver = dialog(page, 'On call');
      await receiver.getByRole('button', { name: 'Send a test' }).click();
      await sees(receiver.getByText('The test was not delivered: no mail server is configured'));
      await page.keyboard.press('Escape');

      await eventually('an alert fires', async () => {
        const { data } = await admin('GET', '/admin/v1/tenants/watched/alerts');
        return JSON.stringify(data).includes('limit_reached');
      });
      await go('alerts');
      await page.getByRole('row').filter({ hasText: 'limit_reached' }).click();
      const alert = dialog(page, /^The key spent has used 1 requests of 1 requests per day/);
      await sees(alert.getByText('docs/runbooks/quota-exceeded.md'));
      await assertAccessible(page, 'an alert');
      await alert.getByRole('button', { name: 'Silence' }).click();
      const silencing = dialog(page, 'Silence alerts');
      await silencing.getByLabel('Why').fill('It is a test');
      await silencing.getByRole('button', { name: 'Silence', exact: true }).click();
      await silencing.waitFor({ state: 'hidden' });
      await sees(alert.getByText('silenced', { exact: true }));
      await page.keyboard.press('Escape');
      await page.getByRole('button', { name: 'Silences', exact: true }).click();
      await page.getByRole('row').filter({ hasText: 'It is a test' }).click();
      await dialog(page, 'End the silence').getByRole('button', { name: 'End it now' }).click();
      await sees(page.getByRole('row').filter({ hasText: 'ended' }));
    }));

  test('are read by a viewer, who changes nothing', () =>
    visiting({ email: viewer }, async ({ page, open }) => {
      await open('alerts');
      await sees(page.getByRole('row').filter({ hasText: 'limit_reached' }));
      await page.getByRole('button', { name: 'Receivers', exact: true }).click();
      await sees(page.getByRole('row').filter({ hasText: 'On call' }));
      await seesNot(page.getByRole('button', { name: 'Add a receiver' }));
    }));
});

async function sendWith(key: string): Promise<void> {
  const response = await fetch(`${theGateway().url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'swift', messages: [{ role: 'user', content: 'Hello.' }] }),
  });
  await response.arrayBuffer();
}
