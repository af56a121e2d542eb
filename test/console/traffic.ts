import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { before, describe, test } from 'node:test';

import { assertFits, sees, seesNot } from './browser.ts';
import { admin, createTenant, eventually, SKIP, send, theGateway, visiting } from './fixture.ts';

const HOSTILE = '<script>alert(1)</script>';

describe('playground', { skip: SKIP }, () => {
  before(() => createTenant('played'));

  test('two models respond side by side, with time, tokens and cost', () =>
    visiting({ tenant: 'played' }, async ({ page, open, settled }) => {
      await open('playground?models=swift');
      await page.getByRole('button', { name: 'Compare with another' }).click();
      await page.getByLabel('Model 2').selectOption('other');
      await page.waitForURL(/models=swift(%2C|,)other/);
      await page.getByLabel('Message').fill(HOSTILE);
      await page.keyboard.press('Control+Enter');
      for (const model of ['swift', 'other']) {
        const lane = page.getByRole('region', { name: model });
        await sees(lane.getByText('cost'));
        await sees(lane.getByText(/\d+ in, \d+ out/));
        await sees(lane.getByText(HOSTILE));
      }
      // Filters are in the URL: a reload keeps them.
      await page.reload();
      await settled();
      await sees(page.getByRole('region', { name: 'other' }));
    }));

  test('a response is stopped, and a failure is the message of the gateway, not of the connection', () =>
    visiting({ tenant: 'played' }, async ({ page, open, expects }) => {
      await open('playground?models=slow');
      await page.getByLabel('Message').fill('A long story.');
      await page.getByRole('button', { name: 'Send' }).click();
      const lane = page.getByRole('region', { name: 'slow' });
      await sees(lane.getByText('running'));
      await page.waitForFunction(
        () => (document.querySelector('section[aria-label="slow"]')?.textContent?.length ?? 0) > 120,
      );
      await page.getByRole('button', { name: 'Stop' }).click();
      await seesNot(lane.getByText('running'));
      await sees(page.getByRole('button', { name: 'Send' }));
      expects('/v1/chat/completions');
      await open('playground?models=broken');
      await page.getByLabel('Message').fill('Hello.');
      await page.getByRole('button', { name: 'Send' }).click();
      await sees(page.getByRole('alert').filter({ hasText: 'No complete response' }));
      await seesNot(page.getByText('The gateway does not respond'));
    }));

  test('the request as code, and where it would go', () =>
    visiting({ tenant: 'played' }, async ({ page, open, settled }) => {
      await open('playground?models=swift');
      await page.getByLabel('System prompt').fill('You are short.');
      await page.getByLabel('Message').fill('Hello there.');
      await page.getByText('Where it would go').click();
      await settled();
      await sees(page.getByRole('listitem').getByText('simulator/simulator'));
      await page.getByRole('button', { name: 'Code' }).click();
      const code = page.getByRole('dialog', { name: 'The request as code' });
      for (const text of ['You are short.', 'Hello there.', 'import OpenAI', 'curl'])
        await sees(code.getByText(text));
    }));
});

describe('usage', { skip: SKIP }, () => {
  before(async () => {
    await createTenant('used');
    for (const model of ['swift', 'swift', 'other']) assert.equal(await send(model, 'used'), 200);
    await eventually('usage is stored', async () => {
      const { data } = await admin('GET', '/admin/v1/tenants/used/usage');
      return Array.isArray(data) && data[0]?.requests === 3;
    });
  });

  test('is grouped, survives a reload, and is downloaded', () =>
    visiting({ tenant: 'used' }, async ({ page, open, settled }) => {
      await open('usage');
      const rows = page.getByRole('table', { name: 'Usage' }).getByRole('row');
      await sees(rows.filter({ hasText: 'swift' }));
      await page.getByLabel('By', { exact: true }).selectOption('provider');
      await settled();
      await sees(rows.filter({ hasText: 'simulator' }));
      await page.getByRole('combobox', { name: /range/i }).selectOption('7d');
      await page.waitForURL(/range=7d/);
      await page.reload();
      await settled();
      assert.equal(await page.getByLabel('By', { exact: true }).inputValue(), 'provider');
      assert.match(page.url(), /range=7d/);
      await sees(rows.filter({ hasText: 'simulator' }));
      await page.getByRole('button', { name: 'Table' }).first().click();
      await sees(page.getByRole('columnheader', { name: 'Time' }));
      const download = page.waitForEvent('download');
      await page.getByRole('link', { name: 'CSV' }).click();
      const text = readFileSync(await (await download).path(), 'utf8');
      assert.match(text, /^start,.*requests/);
      assert.match(text, /simulator/);
    }));

  test('is on the overview, with the time of the last week', () =>
    visiting({ tenant: 'used' }, async ({ page, open }) => {
      await open('overview?range=1h');
      await sees(page.getByText('Requests by model'));
      await sees(page.getByText('Nothing is wrong'));
    }));
});

describe('models', { skip: SKIP }, () => {
  before(async () => {
    await send('swift', 'default');
  });

  test('a target is drained and enabled again', () =>
    visiting({}, async ({ page, open, settled }) => {
      await open('models?tab=targets');
      const row = page.getByRole('row').filter({ hasText: /simulator\/simulator(?!-)/ });
      await row.first().click();
      await page.waitForURL(/target=/);
      const drawer = page.getByRole('dialog', { name: 'simulator/simulator' });
      await drawer.getByRole('button', { name: 'Drain' }).click();
      await page
        .getByRole('dialog', { name: /^Drain/ })
        .getByRole('button', { name: 'Drain' })
        .click();
      await sees(drawer.getByText('draining'));
      await drawer.getByRole('button', { name: 'Enable' }).click();
      await page
        .getByRole('dialog', { name: /^Enable/ })
        .getByRole('button', { name: 'Enable' })
        .click();
      await seesNot(drawer.getByText('draining'));
      await settled();
      for (const tab of ['Engines', 'Canaries']) {
        await page.keyboard.press('Escape');
        await page.getByRole('button', { name: tab }).click();
        await sees(page.getByText(/No (engine|canary) is configured/));
      }
    }));
});

describe('requests', { skip: SKIP }, () => {
  before(async () => {
    await createTenant('asked');
    await send('swift', 'asked');
    await send('broken', 'asked');
    await eventually('requests are stored', async () => {
      const { data } = await admin('GET', '/admin/v1/requests?tenant=asked');
      return Array.isArray(data) && data.length === 2;
    });
  });

  test('are filtered by chips in the URL, and opened with times, target and price', () =>
    visiting({ tenant: 'asked' }, async ({ page, open, settled }) => {
      await open('requests');
      const rows = page.getByRole('table', { name: 'Requests' }).getByRole('row');
      await sees(rows.filter({ hasText: 'broken' }));
      await page.getByRole('textbox', { name: 'is', exact: true }).fill('swift');
      await page.getByRole('button', { name: 'Add', exact: true }).click();
      await page.waitForURL(/model=swift/);
      await seesNot(rows.filter({ hasText: 'broken' }));
      await rows.filter({ hasText: 'swift' }).click();
      const drawer = page.getByRole('dialog');
      for (const text of ['Where the time went', 'Why this target', 'Price'])
        await sees(drawer.getByText(text));
      await page.reload();
      await settled();
      await sees(drawer.getByText('Where the time went'));
      await page.goBack();
      await seesNot(drawer);
      await page.getByRole('button', { name: /Remove the filter/ }).click();
      await sees(rows.filter({ hasText: 'broken' }));
    }));
});

describe('events', { skip: SKIP }, () => {
  test('the audit trail is searched, and an entry opened by its link', () =>
    visiting({}, async ({ page, open, settled }) => {
      await createTenant('audited');
      await open('events');
      await page.getByRole('textbox', { name: 'Action' }).fill('tenant.create');
      await page.keyboard.press('Enter');
      await page.waitForURL(/action=tenant.create/);
      await settled();
      const row = page.getByRole('row').filter({ hasText: 'audited' });
      await row.first().click();
      await page.waitForURL(/entry=/);
      await page.reload();
      await settled();
      const entry = page.getByRole('dialog', { name: 'tenant.create' });
      await sees(entry.getByText('audited').first());
      await assertFits(page, 'events');
      await page.goBack();
      await seesNot(entry);
      assert.ok(theGateway().url);
    }));
});
