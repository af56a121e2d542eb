import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { Page } from 'playwright-core';
import { assertAccessible, assertFits, sees, seesNot } from './browser.ts';
import { createMember, createTenant, SKIP, theGateway, visiting } from './fixture.ts';

const dialog = (page: Page, name: string | RegExp) => page.getByRole('dialog', { name });

describe('invoices', { skip: SKIP }, () => {
  let finance = '';
  let viewer = '';
  before(async () => {
    await createTenant('billed', 'Billed Inc.');
    finance = await createMember('billed', 'billing');
    viewer = await createMember('billed', 'viewer');
  });

  test('are priced, closed, issued, paid, credited and downloaded', () =>
    visiting({ tenant: 'billed' }, async ({ page, open, settled }) => {
      await open('invoices');
      await sees(page.getByText('There are no invoices yet'));
      await page.getByRole('button', { name: 'Prices' }).click();
      await page.getByRole('button', { name: 'Add a version' }).click();
      const adding = dialog(page, 'Add a version');
      await adding.getByLabel('Valid from').fill('2020-01-01');
      await adding.getByLabel('Minimum each month').fill('100');
      await adding.getByRole('button', { name: 'Add a rule' }).click();
      await adding.getByLabel('Model').fill('swift');
      await adding.getByLabel('Output / million').fill('12.50');
      await adding.getByRole('button', { name: 'Add', exact: true }).click();
      await sees(page.getByText('at least 100 each month'));
      await sees(page.getByText('swift: output 12.50'));

      await page.getByRole('button', { name: 'This month' }).click();
      await sees(page.getByRole('row').filter({ hasText: 'Total' }).getByText('100.00'));

      await page.getByRole('button', { name: 'Invoices', exact: true }).click();
      await page.getByRole('button', { name: 'Close a month' }).first().click();
      const closing = dialog(page, 'Close a month');
      await closing.getByRole('button', { name: 'Calculate' }).click();
      await sees(closing.getByRole('list', { name: 'What would be charged' }).getByText('100.00 USD'));
      await seesNot(page.getByRole('table', { name: 'Invoices' }));
      await closing.getByRole('button', { name: 'Close the month' }).click();
      await page.getByRole('row').filter({ hasText: 'draft' }).click();
      const draft = dialog(page, /^Draft of/);
      await draft.getByRole('button', { name: 'Issue' }).click();
      await dialog(page, 'Issue the invoice').getByRole('button', { name: 'Issue' }).click();
      const invoice = dialog(page, /^Invoice INV-/);
      await sees(invoice.getByText('Total'));
      await assertAccessible(page, 'an invoice');
      await assertFits(page, 'an invoice');

      const href = await invoice.getByRole('link', { name: 'PDF' }).getAttribute('href');
      const pdf = await page.request.get(`${theGateway().url}${href}`);
      assert.equal((await pdf.body()).subarray(0, 5).toString('latin1'), '%PDF-');

      await invoice.getByRole('button', { name: 'Mark as paid' }).click();
      const paying = dialog(page, /^Mark as paid/);
      await paying.getByLabel('Note').fill('wire 4711');
      await paying.getByRole('button', { name: 'Mark as paid' }).click();
      await sees(invoice.getByText('wire 4711'));
      await invoice.getByRole('button', { name: 'Credit' }).click();
      const crediting = dialog(page, /^Credit/);
      await crediting.getByLabel('Reason').fill('Outage');
      await crediting.getByRole('button', { name: 'Credit', exact: true }).click();
      await crediting.waitFor({ state: 'hidden' });
      await page.keyboard.press('Escape');
      await settled();
      await sees(page.getByRole('row').filter({ hasText: 'credit note' }).getByText('-100.00 USD'));
    }));

  test('are read by the finance role, and by no viewer', async () => {
    await visiting({ email: finance }, async ({ page, open }) => {
      await open('invoices');
      await page.getByRole('row').filter({ hasText: 'INV-' }).click();
      const invoice = dialog(page, /^Invoice INV-/);
      await sees(invoice.getByText('100.00').first());
      await seesNot(invoice.getByRole('button', { name: 'Credit' }));
      await seesNot(page.getByRole('button', { name: 'Close a month' }));
    });
    await visiting({ email: viewer }, async ({ page, open }) => {
      await open('invoices');
      await sees(page.getByText('You need the permission billing:read'));
    });
  });
});
