import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { assertAccessible, assertFits, PHONE, sees, seesNot } from './browser.ts';
import { admin, createMember, createTenant, PASSWORD, SKIP, theGateway, visiting } from './fixture.ts';

const CONFLICT = 'Another administrator has changed it';

describe('two administrators', { skip: SKIP }, () => {
  let key = '';
  before(async () => {
    await createTenant('shared', 'Shared Inc.');
    await createMember('shared', 'developer');
    const made = await admin('POST', '/admin/v1/tenants/shared/keys', {
      name: 'app',
      scopes: { models: ['swift'] },
    });
    key = String(made.id);
  });

  test('who change one key choose member by member, and neither overwrites the other unseen', () =>
    visiting({ tenant: 'shared' }, async ({ page, open, expects, settled }) => {
      const path = `/admin/v1/tenants/shared/keys/${key}`;
      await open(`tenants?key=${key}`);
      const drawer = page.getByRole('dialog', { name: 'app' });
      await drawer.getByLabel('Name').fill('mine');
      await drawer.getByLabel('Models').fill('swift, other');
      await admin('PATCH', path, { name: 'theirs', limits: [{ of: 'cost', per: 'month', max: '9' }] });
      // What comes in meanwhile does not replace what was typed, nor the version that the form began with.
      await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
      await settled();
      assert.equal(await page.getByRole('textbox', { name: 'Name', exact: true }).inputValue(), 'mine');
      expects(path);
      await page.getByRole('button', { name: 'Save' }).click();
      const conflict = page.getByRole('dialog', { name: CONFLICT });
      await sees(conflict);
      await assertAccessible(page, 'conflict');
      const field = (name: string) => conflict.getByRole('group', { name });
      await sees(field('name').getByText('changed by both'));
      await sees(field('limits').getByText('changed by another administrator'));
      await sees(field('scopes.models').getByText('changed by you'));
      assert.ok(await conflict.getByLabel('Mine: name').isChecked());
      assert.ok(await conflict.getByLabel('Theirs: limits').isChecked());
      await conflict.getByLabel('Theirs: name').check();
      await conflict.getByRole('button', { name: 'Save the chosen' }).click();
      await seesNot(conflict);
      await settled();
      const { name, scopes, limits } = await admin('GET', path);
      assert.equal(name, 'theirs');
      assert.deepEqual(scopes, { models: ['swift', 'other'] });
      assert.match(JSON.stringify(limits), /"max":"9"/);
      assert.equal(await page.getByRole('textbox', { name: 'Name', exact: true }).inputValue(), 'theirs');
    }));

  test('who change a budget keep one of both', () =>
    visiting({ tenant: 'shared', ...PHONE }, async ({ page, open, expects, settled }) => {
      const path = '/admin/v1/tenants/shared';
      const budget = (max: string) => ({ limits: [{ of: 'cost', per: 'month', max }] });
      const stored = async () => JSON.stringify((await admin('GET', path)).limits);
      await admin('PATCH', path, budget('10'));
      expects(path);
      for (const [button, expected] of [
        ['Take theirs', '30'],
        ['Keep mine', '20'],
      ] as const) {
        await open('tenants?tab=limits');
        await page.getByLabel('At most').fill('20');
        await admin('PATCH', path, budget('30'));
        await page.getByRole('button', { name: 'Save' }).click();
        const conflict = page.getByRole('dialog', { name: CONFLICT });
        await sees(conflict);
        await assertFits(page, 'conflict');
        await conflict.getByRole('button', { name: button }).click();
        await seesNot(conflict);
        await settled();
        assert.match(await stored(), new RegExp(`"max":"${expected}"`));
        assert.equal(await page.getByLabel('At most').inputValue(), expected);
        await admin('PATCH', path, budget('10'));
      }
    }));

  test('who change a member or a model are asked, and leaving the question stores nothing', () =>
    visiting({ tenant: 'shared' }, async ({ page, open, expects, settled }) => {
      await open('tenants?tab=people');
      await page.getByRole('row').filter({ hasText: 'developer@shared.test' }).click();
      await page.waitForURL(/member=/);
      const id = new URL(page.url()).searchParams.get('member') ?? '';
      await page.getByRole('combobox', { name: 'Role' }).selectOption('billing');
      await admin('PATCH', `/admin/v1/tenants/shared/members/${id}`, { role: 'viewer' });
      expects('/members/');
      await page.getByRole('button', { name: 'Save' }).click();
      const conflict = page.getByRole('dialog', { name: CONFLICT });
      await sees(conflict.getByText('changed by both'));
      await page.keyboard.press('Escape');
      await seesNot(conflict);
      assert.equal((await admin('GET', `/admin/v1/tenants/shared/members/${id}`)).role, 'viewer');
      // What was typed is still there.
      assert.equal(await page.getByRole('combobox', { name: 'Role' }).inputValue(), 'billing');
      await page.getByRole('button', { name: 'Cancel' }).click();
      await page.getByRole('button', { name: 'Discard' }).click();
      await seesNot(page.getByRole('dialog'));

      const target = (model: string) => ({ targets: [{ provider: 'simulator', model }] });
      await admin('PUT', '/admin/v1/models/disputed', target('simulator-one'));
      await open('models?tab=models&item=disputed');
      await page.getByLabel('Its model').fill('simulator-mine');
      await admin('PUT', '/admin/v1/models/disputed', {
        ...target('simulator-one'),
        strategy: 'round-robin',
      });
      expects('/admin/v1/models/disputed');
      await page.getByRole('button', { name: 'Save' }).click();
      await page
        .getByRole('dialog', { name: 'Change the model disputed' })
        .getByRole('button', { name: 'Apply' })
        .click();
      await sees(conflict.getByText('changed by another administrator'));
      await conflict.getByRole('button', { name: 'Save the chosen' }).click();
      await seesNot(page.getByRole('dialog'));
      await settled();
      const { document } = await admin('GET', '/admin/v1/models/disputed');
      assert.match(JSON.stringify(document), /simulator-mine/);
      assert.match(JSON.stringify(document), /round-robin/);
    }));

  test('changes that are not stored are not lost by a click elsewhere', () =>
    visiting({ tenant: 'shared' }, async ({ page, open, settled }) => {
      const ask = page.getByRole('dialog', { name: 'Discard your changes?' });
      await open('tenants?tab=settings');
      await page.getByRole('textbox', { name: 'Name', exact: true }).fill('Not stored');
      await page.getByRole('link', { name: 'Usage' }).click();
      await sees(ask);
      await ask.getByRole('button', { name: 'Go back' }).click();
      assert.equal(await page.getByRole('textbox', { name: 'Name', exact: true }).inputValue(), 'Not stored');
      await page.getByRole('link', { name: 'Usage' }).click();
      await ask.getByRole('button', { name: 'Discard' }).click();
      await page.waitForURL('**/console/usage');
      await settled();
      await open('tenants');
      await page.getByRole('button', { name: 'Create a key' }).click();
      await page.getByRole('textbox', { name: 'Name', exact: true }).fill('half typed');
      await page.keyboard.press('Escape');
      await sees(ask);
      await page.keyboard.press('Escape');
      await seesNot(ask);
      await sees(page.getByRole('dialog', { name: 'Create a key' }));
      await page.keyboard.press('Escape');
      await ask.getByRole('button', { name: 'Discard' }).click();
      await seesNot(page.getByRole('dialog'));
    }));
});

describe('tenants and accounts', { skip: SKIP }, () => {
  let developer = '';
  before(async () => {
    await createTenant('kept', 'Kept Inc.');
    developer = await createMember('kept', 'developer');
    const { data } = await admin('GET', '/admin/v1/tenants/kept/members');
    const [member] = Array.isArray(data) ? data : [];
    await admin('POST', '/admin/v1/tenants/kept/keys', { name: 'own key', member: member?.id });
    await admin('PATCH', `/admin/v1/tenants/kept/members/${member?.id}`, {
      limits: [{ of: 'requests', per: 'day', max: 100 }],
    });
  });

  test('a member sees its own keys, usage, limits and sessions, and ends one', () =>
    visiting({ email: developer }, async ({ page, open, settled }) => {
      // Another device.
      await fetch(`${theGateway().url}/v1/auth/sign-in`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'user-agent': 'curl/8.1' },
        body: JSON.stringify({ email: developer, password: PASSWORD }),
      });
      await open('settings');
      await sees(page.getByRole('heading', { name: 'Your account' }));
      await sees(page.getByRole('link', { name: 'own key' }));
      await sees(page.getByText('Your usage this month'));
      await sees(page.getByText('100 requests per day'));
      const other = page.getByRole('listitem').filter({ hasText: 'curl' });
      await sees(other);
      await assertAccessible(page, 'account');
      await other.getByRole('button', { name: /^End/ }).click();
      await page.getByRole('dialog', { name: 'End 1 session' }).getByRole('button', { name: 'End' }).click();
      await seesNot(other);
      await page.getByRole('link', { name: 'own key' }).click();
      await sees(page.getByRole('dialog', { name: 'own key' }));
      await settled();
    }));

  test('an operator ends the sessions of a person', () =>
    visiting({ email: developer }, async (person) => {
      await person.open('settings');
      await visiting({ tenant: 'kept' }, async ({ page, open, settled }) => {
        await open('tenants?tab=people');
        await page.getByRole('row').filter({ hasText: developer }).click();
        await sees(page.getByText(/Chrome.* on Linux/));
        await settled();
        const all = page.getByRole('button', { name: 'End all' });
        await ((await all.count()) > 0 ? all : page.getByRole('button', { name: /^End the session/ }))
          .first()
          .click();
        await page
          .getByRole('dialog', { name: /^End \d+ session/ })
          .getByRole('button', { name: 'End' })
          .click();
        await sees(page.getByText('Not signed in anywhere.'));
      });
      person.expects('/admin/v1/');
      await person.page.getByRole('link', { name: 'Usage' }).click();
      await sees(person.page.getByRole('dialog', { name: 'Your session has ended' }));
    }));

  test('a tenant is renamed, and removed with its name typed', () =>
    visiting({ tenant: 'kept' }, async ({ page, open, settled }) => {
      await open('tenants?tab=settings');
      await page.getByRole('textbox', { name: 'Name', exact: true }).fill('Kept and renamed');
      await page.getByRole('button', { name: 'Save' }).click();
      await sees(page.getByRole('heading', { name: 'Kept and renamed' }));
      await settled();
      await page.getByRole('button', { name: /^Remove/ }).click();
      const removal = page.getByRole('dialog', { name: 'Remove Kept and renamed' });
      await sees(removal.getByText(/1 API key, 1 member, and the record of \d+ request/));
      const remove = removal.getByRole('button', { name: 'Remove' });
      assert.ok(await remove.isDisabled());
      await removal.getByLabel('Type kept to confirm').fill('kept');
      await remove.click();
      await sees(page.getByRole('heading', { name: 'Tenants', exact: true }));
      await settled();
      await seesNot(page.getByRole('row').filter({ hasText: 'Kept and renamed' }));
    }));
});

describe('slow responses', { skip: SKIP }, () => {
  test('say so, and are cancelled and read again', () =>
    visiting({ isFresh: true }, async ({ page, context, expects, settled }) => {
      let isSlow = true;
      // A user waits; the test does not: the page's clock is moved.
      await page.clock.install();
      await context.route(/\/admin\/v1\/config$/, (route) => (isSlow ? undefined : route.continue()));
      expects('/admin/v1/config');
      await page.goto(`${theGateway().url}/console/settings`);
      await page.getByLabel('Loading', { exact: true }).first().waitFor({ state: 'attached' });
      await page.clock.fastForward(3_500);
      await page.getByRole('button', { name: 'Cancel' }).click();
      const failed = page.getByRole('alert').filter({ hasText: 'You have cancelled it.' });
      await sees(failed);
      isSlow = false;
      await failed.getByRole('button', { name: 'Try again' }).click();
      await sees(page.getByRole('table', { name: 'Configuration' }));
      await settled();
    }));
});
