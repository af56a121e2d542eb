import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { assertAccessible, assertFits, DESKTOP, PHONE, sees, seesNot } from './browser.ts';
import {
  admin,
  createMember,
  createTenant,
  eventually,
  SKIP,
  send,
  theGateway,
  visiting,
} from './fixture.ts';

/** Both themes and both sizes. */
const LOOKS = [
  ['light', { ...DESKTOP, colorScheme: 'light' as const }],
  ['dark on a phone', { ...PHONE, colorScheme: 'dark' as const }],
] as const;

describe('saved prompts', { skip: SKIP }, () => {
  before(() => createTenant('saved'));

  test('are saved, loaded by a link, changed as versions, renamed and deleted', () =>
    visiting({ tenant: 'saved' }, async ({ page, open, settled }) => {
      await open('playground?models=swift');
      await page.getByLabel('System prompt').fill('You are short.');
      await page.getByLabel('Temperature').fill('0.2');
      await page.getByLabel('Message').fill('Where is my order?');
      await page.getByRole('button', { name: 'Save', exact: true }).click();
      const dialog = page.getByRole('dialog', { name: 'Save the prompt' });
      await dialog.getByLabel('Name').fill('Order');
      await dialog.getByRole('button', { name: 'Save' }).click();
      await page.waitForURL(/prompt=prompt_/);
      const opened = page.getByRole('region', { name: 'Opened' });
      await sees(opened.getByText('Order'));
      // The link opens it for another member, in the right tenant.
      await page.reload();
      await settled();
      assert.equal(await page.getByLabel('Message').inputValue(), 'Where is my order?');
      assert.equal(await page.getByLabel('System prompt').inputValue(), 'You are short.');
      assert.equal(await page.getByLabel('Temperature').inputValue(), '0.2');
      // A change is a new version; the one before stays.
      await page.getByLabel('Message').fill('Where is my parcel?');
      await page.getByRole('button', { name: 'Save', exact: true }).click();
      await sees(dialog.getByText('Version 2 of Order'));
      await dialog.getByRole('button', { name: 'Save' }).click();
      await sees(opened.getByText('version 2'));
      await page.getByRole('button', { name: 'Prompts' }).click();
      const drawer = page.getByRole('dialog', { name: 'Saved prompts' });
      await drawer.getByRole('button', { name: 'Versions' }).click();
      await drawer.getByRole('button', { name: 'Load version 1' }).click();
      await sees(opened.getByText('version 1 of 2'));
      assert.equal(await page.getByLabel('Message').inputValue(), 'Where is my order?');
      await page.getByRole('button', { name: 'Prompts' }).click();
      await drawer.getByRole('button', { name: 'Rename Order' }).click();
      await page.getByLabel('New name').fill('Parcel');
      await page
        .getByRole('dialog', { name: 'Rename Order' })
        .getByRole('button', { name: 'Rename' })
        .click();
      await drawer.getByRole('button', { name: 'Delete Parcel' }).click();
      const confirm = page.getByRole('dialog', { name: 'Delete Parcel' });
      await sees(confirm.getByText('2 versions will be deleted'));
      await confirm.getByLabel(/^Type/).fill('Parcel');
      await confirm.getByRole('button', { name: 'Delete' }).click();
      await sees(drawer.getByText('No prompt is saved yet.'));
      await page.keyboard.press('Escape');
      await seesNot(opened);
    }));

  test('that someone else changed meanwhile are shown beside what would replace them', () =>
    visiting({ tenant: 'saved' }, async ({ page, open, expects }) => {
      const messages = [{ role: 'user', content: 'First words.' }];
      const path = '/admin/v1/tenants/saved/prompts';
      const { id } = await admin('POST', path, { name: 'Shared', messages });
      await open(`playground?prompt=${id}&of=saved`);
      await admin('PATCH', `${path}/${id}`, { messages: [{ role: 'user', content: 'Words of another.' }] });
      await page.getByLabel('Message').fill('Words of mine.');
      await page.getByRole('button', { name: 'Save', exact: true }).click();
      const dialog = page.getByRole('dialog', { name: 'Save the prompt' });
      expects(path);
      await dialog.getByRole('button', { name: 'Save' }).click();
      for (const text of [/Words of another/, /Words of mine/]) await sees(dialog.getByText(text));
      await dialog.getByRole('button', { name: 'Save over it' }).click();
      await sees(page.getByRole('region', { name: 'Opened' }).getByText('version 3'));
    }));

  test('are deleted by those who may only', async () => {
    const email = await createMember('saved', 'developer');
    await admin('POST', '/admin/v1/tenants/saved/prompts', {
      ...{ name: 'Of the admin', messages: [{ role: 'user', content: 'Hello.' }] },
    });
    await visiting({ email }, async ({ page, open }) => {
      await open('playground');
      await page.getByRole('button', { name: 'Prompts' }).click();
      await sees(page.getByRole('button', { name: 'Load Of the admin' }));
      assert.equal(await page.getByRole('button', { name: 'Delete Of the admin' }).count(), 0);
    });
  });

  for (const [name, look] of LOOKS) {
    test(`fit and are accessible, ${name}`, () =>
      visiting({ ...look, tenant: 'saved' }, async ({ page, open }) => {
        await open('playground?models=swift');
        await page.getByLabel('Message').fill('Hello.');
        await page.getByRole('button', { name: 'Save', exact: true }).click();
        await assertAccessible(page, `saving, ${name}`);
        await page.keyboard.press('Escape');
        await page.getByRole('button', { name: 'Prompts' }).click();
        await sees(page.getByRole('button', { name: /^Load/ }));
        await assertAccessible(page, `saved prompts, ${name}`);
        await assertFits(page, 'saved prompts');
      }));
  }
});

describe('replay', { skip: SKIP }, () => {
  before(async () => {
    await createTenant('replayed');
    await send('swift', 'replayed', 'Before the log.');
    await eventually('the request is stored', async () => {
      const { data } = await admin('GET', '/admin/v1/requests?tenant=replayed');
      return Array.isArray(data) && data.length === 1;
    });
  });

  test('of a request without messages says why, and turns the log on', () =>
    visiting({ tenant: 'replayed' }, async ({ page, open }) => {
      await open('requests');
      await page.getByRole('row').filter({ hasText: 'swift' }).click();
      const drawer = page.getByRole('dialog', { name: 'Request' });
      await sees(drawer.getByText('Not logged: replayed keeps nothing'));
      await drawer.getByRole('button', { name: 'Log messages from now on' }).click();
      await page
        .getByRole('dialog', { name: /^Log prompts/ })
        .getByRole('button', { name: 'Turn it on' })
        .click();
      await sees(drawer.getByText('replayed logs prompts and responses for 30 days'));
    }));

  test('opens the messages and parameters of a request in the playground', async () => {
    await admin('PATCH', '/admin/v1/tenants/replayed', { request_log: {} });
    const { key } = await admin('POST', '/admin/v1/tenants/replayed/keys', { name: 'replay' });
    const response = await fetch(`${theGateway().url}/v1/messages`, {
      method: 'POST',
      headers: { 'x-api-key': String(key), 'content-type': 'application/json', 'x-request-id': 'replay-me' },
      body: JSON.stringify({
        ...{ model: 'swift', max_tokens: 50, temperature: 0.3, system: 'Answer in French.' },
        messages: [
          { role: 'user', content: 'Good morning.' },
          { role: 'assistant', content: [{ type: 'text', text: 'Bonjour.' }] },
          { role: 'user', content: 'Write to anna@example.com' },
        ],
      }),
    });
    assert.equal(response.status, 200);
    await eventually('the request is logged', async () => {
      const { messages } = await admin('GET', '/admin/v1/requests/replay-me?tenant=replayed');
      return messages !== null && messages !== undefined;
    });
    for (const [name, look] of LOOKS) {
      await visiting({ ...look, tenant: 'replayed' }, async ({ page, open, settled }) => {
        await open('requests?request=replay-me&of=replayed');
        const drawer = page.getByRole('dialog', { name: 'Request' });
        await sees(drawer.getByText('Bonjour.'));
        await assertAccessible(page, `messages of a request, ${name}`);
        await assertFits(page, `messages of a request, ${name}`);
        await drawer.getByRole('link', { name: 'Open in the playground' }).click();
        await page.waitForURL(/playground\?.*request=replay-me/);
        await settled();
        assert.equal(await page.getByLabel('Message', { exact: true }).inputValue(), 'Write to [EMAIL]');
        assert.equal(await page.getByLabel('System prompt').inputValue(), 'Answer in French.');
        assert.equal(await page.getByLabel('Output tokens').inputValue(), '50');
        await sees(page.getByText('Bonjour.'));
        await sees(page.getByText(/placeholders such as \[EMAIL\]/));
        await page.getByRole('button', { name: 'Send' }).click();
        await sees(page.getByRole('region', { name: 'swift' }).getByText('cost'));
      });
    }
  });
});
