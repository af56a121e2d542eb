import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { assertAccessible, assertFits, sees, seesNot } from './browser.ts';
import {
  admin,
  createMember,
  createTenant,
  eventually,
  SKIP,
  send,
  theReceiverPort,
  visiting,
} from './fixture.ts';

describe('exports', { skip: SKIP }, () => {
  let server: Server;
  let owner = '';
  let viewer = '';
  before(async () => {
    await createTenant('exported', 'Exported Inc.');
    [owner, viewer] = [await createMember('exported', 'owner'), await createMember('exported', 'viewer')];
    await send('swift', 'exported');
    const isFailing = async () => (await admin('GET', '/admin/v1/exports/finance')).state === 'failing';
    await eventually('nothing receives the export', isFailing, 60_000);
  });
  after(() => server?.close());

  test('show a receiver that is down, are tested, paused and resumed, and how to add one', () =>
    visiting({}, async ({ page, open }) => {
      await open('exports');
      const row = page.getByRole('row').filter({ hasText: 'finance' });
      await sees(row.getByText('failing'));
      await sees(row.getByText('its server could not be reached'));
      await row.click();
      const drawer = page.getByRole('dialog', { name: 'finance' });
      await sees(drawer.getByRole('row').filter({ hasText: 'exported' }));
      assert.equal((await page.content()).includes('planted-in-url'), false);
      await assertAccessible(page, 'an export');
      await assertFits(page, 'an export');
      await drawer.getByRole('button', { name: 'Send a test' }).click();
      await sees(drawer.getByText('The receiver did not take the test record'));
      await drawer.getByRole('button', { name: 'Pause' }).click();
      await sees(drawer.getByText('paused').first());

      server = createServer((request, response) => void request.resume().on('end', () => response.end()));
      await new Promise<void>((listening) => server.listen(theReceiverPort(), '127.0.0.1', listening));
      await drawer.getByRole('button', { name: 'Send a test' }).click();
      await sees(drawer.getByText('The receiver took the test record'));
      await drawer.getByRole('button', { name: 'Resume' }).click();
      await sees(drawer.getByRole('button', { name: 'Pause' }));
      await page.keyboard.press('Escape');
      await seesNot(drawer);

      await page.route('**/admin/v1/exports', (route) =>
        route.fulfill({ json: { object: 'list', data: [] } }),
      );
      await open('exports');
      await sees(page.getByText('No export is configured.'));
      await sees(page.getByText('weir.yaml'));
      await assertAccessible(page, 'no exports');
    }));

  test('of a tenant are read by its owner, and not by a viewer', async () => {
    await visiting({ email: owner }, async ({ page, open }) => {
      await open('exports');
      await page.getByRole('row').filter({ hasText: 'finance' }).click();
      const drawer = page.getByRole('dialog', { name: 'finance' });
      await sees(drawer.getByText('Oldest waiting'));
      await seesNot(drawer.getByRole('button', { name: 'Pause' }));
    });
    await visiting({ email: viewer }, async ({ page, open }) => {
      await open('exports');
      await sees(page.getByText('Your role does not read exports.'));
    });
  });
});
