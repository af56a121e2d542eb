import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { assertAccessible, assertFits, sees, seesNot } from './browser.ts';
import { admin, createMember, createTenant, SKIP, send, visiting } from './fixture.ts';

const PATH = '/admin/v1/tenants/reporting';

describe('reports', { skip: SKIP }, () => {
  let viewer = '';
  before(async () => {
    await createTenant('reporting', 'Reporting Inc.');
    viewer = await createMember('reporting', 'viewer');
    await send('swift', 'reporting');
  });

  test('are scheduled, changed, previewed and deleted', () =>
    visiting({ tenant: 'reporting' }, async ({ page, open, settled, expects }) => {
      await open('usage?tab=reports');
      await sees(page.getByText('No report is scheduled.'));
      await page.getByRole('button', { name: 'Schedule reports' }).click();
      const creating = page.getByRole('dialog', { name: 'Schedule reports' });
      await assertAccessible(page, 'form of a schedule');
      await creating.getByLabel('Mail to').fill('not an address');
      expects(`${PATH}/report-schedules`);
      await creating.getByRole('button', { name: 'Schedule' }).click();
      await sees(creating.getByText('must be an e-mail address').first());
      await creating.getByLabel('Mail to').fill('fin@example.com, ops@example.com');
      await creating.getByLabel('Name').fill('Cost of the week');
      await creating.getByLabel('Period').selectOption('weekly');
      await creating.getByRole('button', { name: 'Schedule' }).click();
      const row = page.getByRole('row').filter({ hasText: 'Cost of the week' });
      await sees(row.getByText('fin@example.com, ops@example.com'));
      const { data } = await admin('GET', `${PATH}/report-schedules`);
      assert.ok(Array.isArray(data) && data.length === 1);

      await row.click();
      const editing = page.getByRole('dialog', { name: 'Cost of the week' });
      await editing.getByLabel('Make reports').uncheck();
      await editing.getByRole('button', { name: 'Save' }).click();
      await sees(row.getByText('off'));

      await page.getByLabel('Preview').selectOption('monthly');
      const report = page.getByRole('dialog', { name: /^Preview: \d{4}-\d\d$/ });
      await sees(report.getByText('Nothing has changed against the period before.'));
      await settled();
      await assertAccessible(page, 'a report');
      await assertFits(page, 'a report');
      await page.keyboard.press('Escape');

      await row.click();
      await editing.getByRole('button', { name: 'Delete' }).click();
      await page
        .getByRole('dialog', { name: 'Delete the schedule' })
        .getByRole('button', { name: 'Delete' })
        .click();
      await sees(page.getByText('No report is scheduled.'));
    }));

  test('can be read without the permission to schedule them', () =>
    visiting({ email: viewer, tenant: 'reporting' }, async ({ page, open }) => {
      await open('usage?tab=reports');
      await sees(page.getByText('No report was made yet.'));
      await seesNot(page.getByRole('button', { name: 'Schedule reports' }));
    }));
});
