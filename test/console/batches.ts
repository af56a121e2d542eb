import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { Page } from 'playwright-core';
import { assertAccessible, assertFits, sees, seesNot } from './browser.ts';
import { admin, createMember, createTenant, SKIP, theGateway, visiting } from './fixture.ts';

const dialog = (page: Page, name: string | RegExp) => page.getByRole('dialog', { name });

const line = (customId: string, model = 'swift') =>
  JSON.stringify({
    ...{ custom_id: customId, method: 'POST', url: '/v1/chat/completions' },
    body: { model, messages: [{ role: 'user', content: `Say ${customId}.` }] },
  });

const file = (name: string, lines: readonly string[]) => ({
  ...{ name, mimeType: 'application/jsonl', buffer: Buffer.from(lines.join('\n')) },
});

describe('batches, files and async requests', { skip: SKIP }, () => {
  let viewer = '';
  let queued = '';
  before(async () => {
    await createTenant('batched', 'Batched Inc.');
    viewer = await createMember('batched', 'viewer');
    const { key } = await admin('POST', '/admin/v1/tenants/batched/keys', { name: 'worker' });
    const response = await fetch(`${theGateway().url}/v1/chat/completions`, {
      method: 'POST',
      headers: {
        ...{ authorization: `Bearer ${key}`, 'content-type': 'application/json', prefer: 'respond-async' },
      },
      body: JSON.stringify({ model: 'swift', messages: [{ role: 'user', content: 'Take your time.' }] }),
    });
    ({ id: queued } = await response.json());
  });

  test('a batch with errors names its lines; corrected, its results are read, downloaded and deleted', () =>
    visiting({ tenant: 'batched' }, async ({ page, open, settled }) => {
      await open('batches');
      await sees(page.getByText('There is no batch.'));
      await sees(page.getByText('"model": "swift"'));
      await page.getByRole('button', { name: 'Create a batch' }).click();
      const creating = dialog(page, 'Create a batch');
      await creating.getByRole('button', { name: 'Create' }).click();
      await sees(creating.getByText('Choose a file.'));
      const wrong = [line('one'), '{"custom_id":', line('one')];
      await creating.getByLabel('File').setInputFiles(file('wrong.jsonl', wrong));
      await sees(creating.getByText(/^wrong\.jsonl, \d+ B$/));
      await assertAccessible(page, 'form of a batch');
      await creating.getByRole('button', { name: 'Create' }).click();

      const batch = dialog(page, 'Batch');
      await sees(batch.getByText('2 errors: nothing ran'));
      const errors = batch.getByRole('table', { name: 'Errors of the file' });
      await sees(errors.getByRole('row').filter({ hasText: /^2This line is not parseable/ }));
      await sees(errors.getByRole('row').filter({ hasText: 'duplicate_custom_id' }));
      await assertAccessible(page, 'a batch with errors');
      await assertFits(page, 'a batch with errors');
      await batch.getByRole('button', { name: 'Create it again' }).click();
      const right = [line('one'), line('two', 'nothing'), line('three')];
      await creating.getByLabel('File').setInputFiles(file('right.jsonl', right));
      await creating.getByRole('button', { name: 'Create' }).click();
      await sees(batch.getByText('3 lines: 2 completed, 1 failed'));
      const results = batch.getByRole('table', { name: 'Results' });
      await sees(results.getByRole('row').filter({ hasText: 'three' }));
      await batch.getByLabel('Which results').selectOption('failed');
      await seesNot(results.getByRole('row').filter({ hasText: 'three' }));
      await results.getByRole('row').filter({ hasText: 'two' }).click();
      await sees(
        dialog(page, 'two')
          .getByText(/model_not_found/)
          .first(),
      );
      await assertAccessible(page, 'a result');
      await page.keyboard.press('Escape');
      await batch.getByLabel('Which results').selectOption('');
      await settled();
      await assertAccessible(page, 'a batch');
      await assertFits(page, 'a batch');
      const [download] = await Promise.all([
        page.waitForEvent('download'),
        batch.getByRole('link', { name: 'Download the results' }).click(),
      ]);
      assert.match(download.suggestedFilename(), /^batch_\w+_output\.jsonl$/);

      await page.keyboard.press('Escape');
      await page.getByRole('combobox', { name: 'State' }).selectOption('completed');
      await settled();
      assert.equal(await page.getByRole('table', { name: 'Batches' }).getByRole('row').count(), 2);
      await page.getByRole('button', { name: 'Files' }).click();
      await page.getByRole('row').filter({ hasText: 'wrong.jsonl' }).click();
      const wrongFile = dialog(page, 'wrong.jsonl');
      await assertAccessible(page, 'a file');
      await wrongFile.getByRole('button', { name: 'Delete' }).click();
      const deleting = dialog(page, 'Delete the file');
      await deleting.getByLabel('Type wrong.jsonl to confirm').fill('wrong.jsonl');
      await deleting.getByRole('button', { name: 'Delete' }).click();
      await seesNot(page.getByRole('row').filter({ hasText: 'wrong.jsonl' }));
    }));

  test('an async request shows its content, which is deleted; the queue shows what failed', () =>
    visiting({ tenant: 'batched' }, async ({ page, open, go }) => {
      await open('batches?tab=async');
      await page
        .getByRole('row')
        .filter({ hasText: /succeeded.*worker/ })
        .click();
      const request = dialog(page, 'Async request');
      await sees(request.getByText(queued));
      await sees(request.getByText('Take your time.'));
      await assertAccessible(page, 'an async request');
      await assertFits(page, 'an async request');
      await request.getByRole('button', { name: 'Delete its content' }).click();
      await dialog(page, 'Delete its content').getByRole('button', { name: 'Delete' }).click();
      await sees(request.getByText('Its content was deleted.'));
      await seesNot(request.getByRole('button', { name: 'Delete its content' }));
      await go('batches?tab=queue');
      await sees(page.getByRole('heading', { name: 'Jobs that failed for good' }));
    }));

  test('a viewer sees that batches are there, and nothing of their content', () =>
    visiting({ email: viewer, tenant: 'batched' }, async ({ page, open, go }) => {
      await open('batches?status=completed');
      await seesNot(page.getByRole('button', { name: 'Create a batch' }));
      await page.getByRole('row').filter({ hasText: 'completed' }).click();
      const batch = dialog(page, 'Batch');
      await sees(batch.getByText('The content of its lines is shown to the person who created it'));
      await seesNot(batch.getByRole('link', { name: 'Download the results' }));
      await go('batches?tab=async');
      await sees(page.getByText('There is no async request.'));
      await seesNot(page.getByRole('button', { name: 'Queue' }));
    }));
});
