import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { sees, seesNot } from './browser.ts';
import { admin, createTenant, eventually, SKIP, send, theGateway, visiting } from './fixture.ts';
import { Keys } from './keys.ts';

/** Each flow without a mouse. `first-steps.ts` has the set-up. */
describe('keyboard', { skip: SKIP }, () => {
  before(async () => {
    await createTenant('typed', 'Typed Inc.');
    await send('swift', 'typed');
    await send('broken', 'typed');
    await eventually('requests are stored', async () => {
      const { data } = await admin('GET', '/admin/v1/requests?tenant=typed');
      return Array.isArray(data) && data.length === 2;
    });
  });

  test('the palette finds pages and tenants', () =>
    visiting({}, async ({ page, open }) => {
      await open('overview');
      await page.keyboard.press('Control+k');
      await page.keyboard.type('usag');
      await page.keyboard.press('Enter');
      await page.waitForURL('**/console/usage');
      await page.keyboard.press('Control+k');
      await page.keyboard.type('typed inc');
      await page.keyboard.press('Enter');
      await sees(page.getByRole('heading', { name: 'Typed Inc.' }));
      await page.keyboard.press('Control+k');
      await page.keyboard.type('no such thing');
      await sees(page.getByText('Nothing has this name.'));
      await page.keyboard.press('Escape');
      await seesNot(page.getByRole('dialog'));
      await page.keyboard.press('?');
      await sees(page.getByRole('dialog', { name: 'Keys' }));
      await page.keyboard.press('Escape');
      await page.keyboard.press('g');
      await page.keyboard.press('p');
      await page.waitForURL('**/console/playground**');
    }));

  test('a provider and a model are added, changed after a review, and taken back', () =>
    visiting({}, async ({ page, open, settled }) => {
      const keys = new Keys(page);
      await open('models');
      await keys.use('Add a provider');
      // The first field has the focus.
      assert.equal((await keys.focused()).name, 'Kind');
      await keys.choose('Kind', 'OpenAI-comp');
      await keys.fill('Id', 'typed-engine');
      await keys.fill('Address', `${theGateway().url}/v1`);
      await keys.fill('API key', theGateway().adminKey);
      await keys.use('Test');
      await sees(page.getByText(/responds$/));
      await keys.use('Save');
      await seesNot(page.getByRole('dialog'));
      await settled();
      await keys.use('Models', 'button');
      await keys.use('Add a model');
      await keys.fill('Name', 'typed-model');
      await keys.choose('Provider', 'typed-engine');
      await keys.fill('Its model', 'swift');
      await keys.use('Save');
      await seesNot(page.getByRole('dialog'));
      await settled();

      await keys.to(/./, 'row');
      for (let row = 0; !(await keys.focused()).name.startsWith('typed-model'); row += 1) {
        assert.ok(row < 40, 'the row of the model is not reached');
        await keys.press('ArrowDown');
      }
      await keys.press('Enter');
      await sees(page.getByRole('dialog', { name: 'typed-model' }));
      await keys.fill('Its model', 'other');
      await keys.use('Save');
      const review = page.getByRole('dialog', { name: 'Change the model typed-model' });
      await sees(review.getByRole('row').filter({ hasText: 'targets' }).filter({ hasText: '"swift"' }));
      await sees(review.getByText(/0 requests in the last 24 hours/));
      await keys.use('Apply');
      await seesNot(page.getByRole('dialog'));
      // The focus is back on the row that was opened.
      await keys.isBackOn(/^typed-model/);

      await keys.press('g', 's');
      await keys.use('Changes');
      await settled();
      await keys.use(/^\d+changed model typed-model/, 'summary');
      await keys.use('Take it back');
      const back = page.getByRole('dialog', { name: /^Take change \d+ back$/ });
      await sees(back.getByRole('row').filter({ hasText: 'targets' }));
      await keys.use('Take back');
      await seesNot(back);
      await settled();
      const { document } = await admin('GET', '/admin/v1/models/typed-model');
      assert.match(JSON.stringify(document), /"swift"/);
    }));

  test('the configuration is searched, and the audit trail verified and searched', () =>
    visiting({}, async ({ page, open, settled }) => {
      const keys = new Keys(page);
      await open('settings');
      await keys.fill('Find', 'simulator');
      await sees(page.getByRole('row').filter({ hasText: 'weir.yaml, line' }));
      await keys.press('g', 'e');
      // The letters were typed into the field: the keys for pages are for everywhere else.
      await keys.press('Escape');
      assert.match(page.url(), /settings/);
      await keys.to('Copy all as JSON');
      await keys.press('g', 'e');
      await page.waitForURL('**/console/events');
      await settled();
      await keys.use('Verify');
      await sees(page.getByText(/verified to entry [\d,.]+$/));
      await keys.fill('Find', 'typed inc');
      await keys.press('Enter');
      await page.waitForURL(/find=typed/);
      await settled();
      await keys.to(/tenant\.create/, 'row');
      await keys.press('Enter');
      const entry = page.getByRole('dialog', { name: 'tenant.create' });
      await sees(entry);
      await keys.press('Escape');
      await seesNot(entry);
      await keys.isBackOn(/tenant\.create/, 'row');
      await keys.use('Show all');
      await page.waitForURL((url) => url.search === '');
    }));

  test('a key is created with a budget, a person invited, a limit set, requests filtered, the session ended', () =>
    visiting({ tenant: 'typed' }, async ({ page, open, settled, expects }) => {
      const keys = new Keys(page);
      await open('overview');
      await keys.press('Tab');
      assert.equal((await keys.focused()).name, 'Skip to content');
      await keys.press('Enter', 'Tab');
      assert.ok(await page.evaluate(() => document.activeElement?.closest('main') !== null));

      await keys.to('Table');
      await keys.press('g', 't');
      await page.waitForURL('**/console/tenants');
      await settled();
      await keys.use('Create a key');
      assert.equal((await keys.focused()).name, 'Name');
      await keys.type('by keyboard');
      await keys.use('Add a limit');
      await keys.fill('At most', '5');
      await keys.use('Create');
      await sees(page.getByText('The key by keyboard is ready'));
      await keys.use('Done');
      await seesNot(page.getByRole('dialog'));
      await settled();
      await keys.to(/^by keyboard/, 'row');

      await keys.use('People');
      await settled();
      await keys.use('Invite a person');
      await keys.type('typed@typed.test');
      await keys.use('Invite');
      await keys.use('Done');
      await seesNot(page.getByRole('dialog'));
      await sees(page.getByText('typed@typed.test, developer'));

      await keys.use('Limits and budgets');
      await settled();
      await keys.use('Add a limit');
      await keys.fill('At most', '50');
      await keys.use('Save');
      await settled();
      await sees(page.getByText('tenant typed'));

      await keys.press('Tab');
      await keys.press('g', 'l');
      await page.waitForURL('**/console/policies**');
      await settled();
      await keys.use('Guardrails');
      await settled();
      await keys.fill(
        'Guardrails of the tenant (JSON)',
        '[{"id": "pii", "kind": "pii", "action": "redact"}]',
      );
      await keys.use('Save');
      await sees(page.getByText('The guardrails are stored.'));
      await settled();

      await keys.press('g', 'r');
      await page.waitForURL('**/console/requests');
      await settled();
      await keys.choose('Filter', 'Status');
      await keys.fill('is', '503');
      await keys.press('Enter');
      await page.waitForURL(/status=/);
      await settled();
      await keys.to(/broken/, 'row');
      await keys.press('Enter');
      await sees(page.getByRole('dialog').getByText('Where the time went'));
      await keys.press('Escape');
      await seesNot(page.getByRole('dialog'));

      expects('/admin/v1/');
      await keys.use('Sign out');
      await page.waitForURL('**/console/sign-in');
    }));
});
