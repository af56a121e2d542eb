import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { sees } from './browser.ts';
import { SKIP, visiting } from './fixture.ts';

/** From a start without configuration to a request of an application that is counted. */
describe('first steps', { skip: SKIP }, () => {
  let upstream: Gateway;
  let own: Gateway;
  before(async () => {
    if (SKIP) return;
    [upstream, own] = await Promise.all([
      startGateway({
        config: { models: [{ id: 'served', targets: [{ provider: 'simulator', model: 'simulator' }] }] },
      }),
      startGateway(),
    ]);
  });
  after(() => Promise.all([upstream?.stop(), own?.stop()]));

  test('a provider is added, a key made with a budget, and its snippet works', () =>
    visiting({ of: own }, async ({ page, open, expects, settled }) => {
      await open('welcome');
      expects('/admin/v1/providers');
      const form = page.getByRole('main');
      await form.getByLabel('Kind').selectOption('openai-compatible');
      await form.getByRole('textbox', { name: 'Id', exact: true }).fill('upstream');
      await form.getByLabel('Address').fill(`${upstream.url}/v1`);
      await form.getByLabel('API key').fill('wr-wrong-0123456789abcdef');
      await form.getByRole('button', { name: 'Test' }).click();
      // The real error of the provider.
      await sees(form.getByRole('alert').filter({ hasText: 'It responds with an error' }));
      await form.getByLabel('API key').fill(upstream.adminKey);
      await form.getByRole('button', { name: 'Test' }).click();
      await sees(form.getByText(/with \d+ models?/));
      await form.getByRole('button', { name: 'Save' }).click();
      await sees(page.getByText('upstream is there.'));
      await page.getByRole('button', { name: 'Make the key' }).click();
      await sees(page.getByText('Copy the key now'));
      await page.getByLabel('Model for the next steps').selectOption({ index: 1 });
      const snippet = (await page.locator('pre').last().textContent()) ?? '';
      assert.doesNotMatch(snippet, /"model":"simulator"/);
      const run = spawnSync('sh', ['-c', `${snippet} --silent --show-error`], { encoding: 'utf8' });
      assert.match(run.stdout, /"role":\s*"assistant"/, run.stdout + run.stderr);
      await sees(page.getByText('Requests arrive.'));
      await settled();
    }));
});
