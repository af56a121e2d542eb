import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { sees } from './browser.ts';
import { SKIP, theGateway, visiting } from './fixture.ts';
import { Keys } from './keys.ts';

/** From a start without configuration to a request of an application that is counted, without a mouse. */
describe('first steps', { skip: SKIP }, () => {
  let own: Gateway;
  before(async () => {
    if (!SKIP) own = await startGateway();
  });
  after(() => own?.stop());

  test('a provider is added, a key made with a budget, and its snippet works', () =>
    visiting({ of: own }, async ({ page, open, expects, settled }) => {
      const keys = new Keys(page);
      await open('welcome');
      expects('/admin/v1/providers');
      const form = page.getByRole('main');
      await keys.choose('Kind', 'OpenAI-comp');
      await keys.fill('Id', 'upstream');
      await keys.fill('API key', 'wr-wrong-0123456789abcdef');
      await keys.fill('Address', `${theGateway().url}/v1`);
      await keys.use('Test');
      // The real error of the provider.
      await sees(form.getByRole('alert').filter({ hasText: 'It responds with an error' }));
      await keys.fill('API key', theGateway().adminKey);
      await keys.use('Test');
      await sees(form.getByText(/with \d+ models?/));
      await keys.use('Save');
      await sees(page.getByText('upstream is there.'));
      await sees(page.getByLabel('Model for the next steps'));
      await keys.choose('Model for the next steps', 'swift');
      // Without a price, no budget would ever end.
      await sees(page.getByText('No price is known for swift'));
      await keys.fill(/^Input/, '2');
      await keys.fill(/^Output/, '10');
      await keys.use('Set the price');
      await sees(page.getByText('Model for the next steps'));
      await page.getByText('No price is known').waitFor({ state: 'hidden' });
      await keys.use('Make the key');
      await sees(page.getByText('Copy the key now'));
      const snippet = (await page.locator('pre').last().textContent()) ?? '';
      assert.doesNotMatch(snippet, /"model":"simulator"/);
      const run = spawnSync('sh', ['-c', `${snippet} --silent --show-error`], { encoding: 'utf8' });
      assert.match(run.stdout, /"role":\s*"assistant"/, run.stdout + run.stderr);
      await sees(page.getByText('Requests arrive.'));
      await settled();
      await page.getByRole('link', { name: 'what the key has used' }).click();
      await sees(page.getByRole('dialog').getByText(/^\$0\.0\d+ used/));
      await keys.press('Escape');
      await page.getByRole('button', { name: 'All tenants' }).click();

      // It is counted.
      await keys.press('g', 't');
      await page.waitForURL('**/console/tenants');
      await keys.to(/^Default/, 'row');
      await keys.press('Enter');
      await keys.to(/^my application/, 'row');
      await keys.press('Enter');
      await sees(page.getByRole('dialog').getByText(/^\$0\.0\d+ used/));
    }));
});
