import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { Page } from 'playwright-core';
import { assertAccessible, assertFits, sees, seesNot } from './browser.ts';
import { admin, createMember, createTenant, SKIP, theGateway, visiting } from './fixture.ts';

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
    visiting({ tenant: 'billed' }, async ({ page, open, settled, expects }) => {
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
      await invoice.getByRole('button', { name: 'Credit', exact: true }).click();
      const crediting = dialog(page, /^Credit:/);
      await crediting.getByLabel('Reason').fill('Outage');
      await crediting.getByLabel('Credit', { exact: true }).selectOption('parts');
      const part = crediting.getByLabel('Amount of line 1 to credit');
      await part.fill('100.01');
      expects('/credit');
      await crediting.getByRole('button', { name: 'Credit', exact: true }).click();
      await sees(crediting.getByText('line 1 has 100.00 left'));
      await part.fill('40.00');
      await assertAccessible(page, 'a credit of parts');
      await crediting.getByRole('button', { name: 'Credit', exact: true }).click();
      await crediting.waitFor({ state: 'hidden' });
      await invoice.getByRole('button', { name: 'Credit', exact: true }).click();
      await crediting.getByLabel('Reason').fill('Goodwill');
      await crediting.getByRole('button', { name: 'Credit', exact: true }).click();
      await crediting.waitFor({ state: 'hidden' });
      await sees(invoice.getByText('-60.00 USD'));
      await invoice.getByRole('button', { name: /^CN-/ }).last().click();
      await sees(
        dialog(page, /^Credit note/)
          .getByText('-40.00')
          .or(page.getByText('-60.00')),
      );
      await page.getByRole('button', { name: 'Open the credited invoice' }).click();
      await sees(invoice.getByText('wire 4711'));
      await page.keyboard.press('Escape');
      await settled();
      const notes = page.getByRole('row').filter({ hasText: 'credit note' });
      await sees(notes.getByText('-40.00 USD'));
      await sees(notes.getByText('-60.00 USD'));
    }));

  test('have billing details, which two people may change', () =>
    visiting({ tenant: 'billed' }, async ({ page, open, expects, settled }) => {
      const path = '/admin/v1/tenants/billed/billing/account';
      await open('invoices?tab=details');
      await page.getByLabel('Legal name').fill('Billed Incorporated');
      await page.getByRole('textbox', { name: 'Address', exact: true }).fill('1 Long Street\nSpringfield');
      await page.getByRole('textbox', { name: 'VAT id' }).fill('DE1');
      expects(path);
      await page.getByRole('button', { name: 'Save' }).click();
      await sees(page.getByText('its check digits must match').or(page.getByText('check digits')).last());
      await page.getByRole('textbox', { name: 'VAT id' }).fill('DE136695976');
      await page.getByLabel('person').check();
      await page.getByLabel('Taxes (JSON)').fill('{"standard": [{"name": "VAT", "rate": "19"}]}');
      await page.getByRole('button', { name: 'Save' }).click();
      await sees(page.getByText('The billing details are stored.'));
      const stored = await admin('GET', path);
      assert.deepEqual(
        [stored.name, stored.address, stored.lines],
        ['Billed Incorporated', ['1 Long Street', 'Springfield'], ['model', 'key', 'user']],
      );

      const { tenant: _, ...document } = stored;
      await page.getByLabel('Reference').fill('PO 1');
      await admin('PUT', path, { ...document, email: 'pay@billed.test' });
      await page.getByRole('button', { name: 'Save' }).click();
      const asked = dialog(page, 'Another administrator has changed it');
      await asked.getByRole('button', { name: 'Save the chosen' }).click();
      await asked.waitFor({ state: 'hidden' });
      await settled();
      const merged = await admin('GET', path);
      assert.deepEqual([merged.reference, merged.email], ['PO 1', 'pay@billed.test']);
    }));

  test('share costs of the installation, which are added and removed', () =>
    visiting({}, async ({ page, open, expects }) => {
      await open('invoices?tab=costs&month=2026-10');
      await sees(page.getByText('No cost is recorded for 2026-10.'));
      await page.getByRole('button', { name: 'Add a cost' }).click();
      const adding = dialog(page, 'Add a cost');
      await adding.getByLabel('Description').fill('Four A10G');
      await adding.getByLabel('How many').fill('4');
      await adding.getByLabel('Hours of each').fill('720');
      await adding.getByRole('textbox', { name: 'GPU' }).fill('B999');
      expects('/admin/v1/billing/costs');
      await adding.getByRole('button', { name: 'Add', exact: true }).click();
      await sees(adding.getByRole('alert'));
      await adding.getByRole('textbox', { name: 'GPU' }).fill('A10G');
      await assertAccessible(page, 'form of a cost');
      await adding.getByRole('button', { name: 'Add', exact: true }).click();
      await sees(page.getByText('$3456.00 for 4 × A10G, 720 hours each'));
      await sees(page.getByText('No tenant has usage to share it by'));
      await assertFits(page, 'infrastructure costs');
      await page.getByRole('button', { name: 'Remove Four A10G' }).click();
      const removing = dialog(page, 'Remove Four A10G');
      await removing.getByLabel(/to confirm/).fill('Four A10G');
      await removing.getByRole('button', { name: 'Remove' }).click();
      await sees(page.getByText('No cost is recorded for 2026-10.'));
    }));

  test('are read by the finance role, and by no viewer', async () => {
    await visiting({ email: finance }, async ({ page, open }) => {
      await open('invoices');
      await page.getByRole('row').filter({ hasText: 'INV-' }).click();
      const invoice = dialog(page, /^Invoice INV-/);
      await sees(invoice.getByText('100.00').first());
      await seesNot(invoice.getByRole('button', { name: 'Credit', exact: true }));
      await page.keyboard.press('Escape');
      await open('invoices?tab=details');
      await page.getByLabel('Reference').fill('PO 2');
      await page.getByRole('button', { name: 'Save' }).click();
      await sees(page.getByText('The billing details are stored.'));
      assert.ok(await page.getByLabel('Taxes (JSON)').isDisabled());
      await seesNot(page.getByRole('button', { name: 'Close a month' }));
    });
    await visiting({ email: viewer }, async ({ page, open }) => {
      await open('invoices');
      await sees(page.getByText('You need the permission billing:read'));
    });
  });
});
