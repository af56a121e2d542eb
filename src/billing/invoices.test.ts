import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import {
  type BillingInstallation,
  BY_TEST,
  billingInstallation,
  INSTALLATION_DATABASES,
} from '../../test/support/billing-installation.ts';
import { sha256Hex } from '../platform/hash.ts';
import { DEFAULT_LIST } from './price-lists.ts';

const DOLLAR = 1_000_000_000_000;
const NOVEMBER = Date.parse('2026-11-15T12:00:00Z');
const DECEMBER = Date.parse('2026-12-02T00:00:00Z');
const JANUARY = Date.parse('2027-01-02T00:00:00Z');

for (const database of INSTALLATION_DATABASES) {
  describe.skipIf(!database.available)(`invoices on ${database.name}`, () => {
    let installation: BillingInstallation;
    let tenants = 0;
    beforeAll(async () => {
      installation = await billingInstallation(database, {
        issuer: { name: 'Weir Operations Ltd' },
        taxes: { standard: [{ name: 'VAT', rate: '8.1' }], reduced: [{ name: 'VAT', rate: '2.6' }] },
        exchange_rates: { EUR: '0.9' },
      });
    }, 60_000);
    afterAll(() => installation?.dispose());

    /** A tenant with usage in November, at the beginning of December. */
    const tenantWith = async (dollars: number, zone = 'UTC'): Promise<string> => {
      tenants += 1;
      const id = `tenant-${tenants}`;
      installation.setTime(Date.parse('2026-10-05T00:00:00Z'));
      await installation.addTenant(id, zone);
      await installation.use(id, [{ at: NOVEMBER, costPico: dollars * DOLLAR, inputTokens: 1_000 }]);
      installation.setTime(DECEMBER);
      return id;
    };
    /** On SQLite, connections of one thread would wait for each other; two commands at once are tested with the command line. */
    const second = () =>
      database.name === 'SQLite' ? Promise.resolve(installation.billing) : installation.anotherProcess();
    const closed = async (tenant: string, month = '2026-11') => {
      const { id } = await installation.billing.months.close(tenant, month, BY_TEST);
      return id;
    };
    const issued = async (tenant: string, month = '2026-11') =>
      installation.billing.invoices.issue(await closed(tenant, month), undefined, BY_TEST);

    test('two processes that close one month make one invoice', async () => {
      const tenant = await tenantWith(10);
      const other = await second();
      const closes = await Promise.all(
        [installation.billing, other, installation.billing, other].map(({ months }) =>
          months.close(tenant, '2026-11', BY_TEST),
        ),
      );
      expect(new Set(closes.map(({ id }) => id)).size).toBe(1);
      expect(closes.filter(({ created }) => created)).toHaveLength(1);
      const list = await installation.billing.invoices.list({ tenant, limit: 10 });
      expect(list.map(({ total, status }) => [total, status])).toEqual([['10.81', 'draft']]);
    });

    test('numbers have no gaps, in any process, and documents form a chain of hashes', async () => {
      const made = [await tenantWith(1), await tenantWith(2), await tenantWith(3), await tenantWith(4)];
      const drafts = await Promise.all(made.map((tenant) => closed(tenant)));
      const other = await second();
      const results = await Promise.all(
        drafts.map((id, index) =>
          (index % 2 === 0 ? installation.billing : other).invoices.issue(id, undefined, BY_TEST),
        ),
      );
      // A draft is issued once.
      await expect(other.invoices.issue(drafts[0] ?? '', undefined, BY_TEST)).rejects.toThrow('"open"');
      const all = (await installation.billing.invoices.list({ limit: 100, issuedOnly: true })).sort((a, b) =>
        (a.number ?? '') < (b.number ?? '') ? -1 : 1,
      );
      expect(all.map(({ number }) => number)).toEqual(
        all.map((_, index) => `INV-2026-${String(index + 1).padStart(5, '0')}`),
      );
      expect(new Set(results.map(({ number }) => number)).size).toBe(4);
      for (const [index, { document, hash }] of all.entries()) {
        expect(sha256Hex(JSON.stringify(document))).toBe(hash ?? '');
        expect(document.previous_hash).toBe(all[index - 1]?.hash ?? null);
      }
      const issuedIds = (await installation.events()).filter(([type]) => type === 'invoice.issued');
      expect(issuedIds.map(([, id]) => id).sort()).toEqual(all.map(({ id }) => id).sort());
    });

    test('the database itself rejects changes of what is issued', async () => {
      const { id } = await issued(await tenantWith(5));
      const { control } = installation.stores;
      const update = (set: Record<string, string>) =>
        control.updateTable('billing_invoices').set(set).where('id', '=', id).execute();
      for (const set of [{ total: '0.00' }, { document: '{}' }, { number: 'X' }, { status: 'draft' }]) {
        await expect(update(set)).rejects.toThrow('an issued invoice cannot be changed');
      }
      await expect(control.deleteFrom('billing_invoices').where('id', '=', id).execute()).rejects.toThrow(
        'an issued invoice cannot be deleted',
      );
      await installation.billing.priceLists.add('nobody@1', '2030-01-01', {}, 'x', BY_TEST);
      await expect(
        control
          .updateTable('billing_price_lists')
          .set({ document: '{}' })
          .where('owner', '=', 'nobody@1')
          .execute(),
      ).rejects.toThrow('a version of a price list cannot be changed');
      await expect(installation.billing.invoices.discard(id, undefined, BY_TEST)).rejects.toThrow('"open"');
    });

    test('usage that arrives after the close is on the next invoice, once, at the prices of its month', async () => {
      const tenant = await tenantWith(10);
      await issued(tenant);
      await installation.use(tenant, [{ at: NOVEMBER, costPico: 3 * DOLLAR }]);
      const { accounts, priceLists } = installation.billing;
      const { account } = await accounts.get(tenant);
      installation.setTime(DECEMBER + 1);
      // Added after the close of November, for November: it does not change what that month costs.
      await priceLists.add(account, '2026-11-01', { margin: '100' }, 'x', BY_TEST);
      await installation.use(tenant, [{ at: DECEMBER + 3_600_000, costPico: 5 * DOLLAR }]);
      installation.setTime(JANUARY);
      const { document, total } = await issued(tenant, '2026-12');
      expect(document.lines.map(({ late_for, amount }) => [late_for, amount])).toEqual([
        [null, '10.00'],
        ['2026-11', '3.00'],
      ]);
      expect(total).toBe('14.05');
      installation.setTime(Date.parse('2027-02-02T00:00:00Z'));
      const next = await installation.billing.months.calculate(tenant, '2027-01');
      expect(next.isEmpty).toBe(true);
    });

    test('late usage uses up what the minimum and the allowance of its month left', async () => {
      const tenant = await tenantWith(4);
      const { accounts, priceLists } = installation.billing;
      const { account } = await accounts.get(tenant);
      installation.setTime(Date.parse('2026-11-01T00:00:00Z'));
      await priceLists.add(account, '2020-01-01', { free_allowance: '5', minimum: '2' }, 'x', BY_TEST);
      installation.setTime(DECEMBER);
      expect((await issued(tenant)).document.subtotal).toBe('2.00');
      await installation.use(tenant, [{ at: NOVEMBER, costPico: 6 * DOLLAR }]);
      installation.setTime(JANUARY);
      const { document } = await installation.billing.months.calculate(tenant, '2026-12');
      // November is 10 - 5 = 5 now, of which 2 are billed; December has its own minimum.
      expect(document.lines.map(({ type, late_for, amount }) => [type, late_for, amount])).toEqual([
        ['minimum', null, '2.00'],
        ['usage', '2026-11', '6.00'],
        ['adjustment', '2026-11', '-3.00'],
      ]);
    });

    test('a void invoice keeps its number, and its month can be closed again', async () => {
      const tenant = await tenantWith(7);
      const first = await issued(tenant);
      const { invoices } = installation.billing;
      await invoices.void(first.id, 'Wrong address', first.version, BY_TEST);
      const second = await issued(tenant);
      expect([second.total, second.number === first.number]).toEqual([first.total, false]);
      const list = await invoices.list({ tenant, limit: 10 });
      expect(list.map(({ status }) => status).sort()).toEqual(['open', 'void']);
      const ofFirst = (await installation.events()).filter(([, id]) => id === first.id);
      expect(ofFirst.map(([type]) => type)).toEqual(['invoice.created', 'invoice.issued', 'invoice.voided']);
      await expect(invoices.pay(second.id, undefined, 1, BY_TEST)).rejects.toThrow(
        'Changed since you read it',
      );
      expect((await invoices.pay(second.id, 'wire 4711', second.version, BY_TEST)).status).toBe('paid');
      await expect(invoices.void(second.id, 'x', undefined, BY_TEST)).rejects.toThrow('"paid"');
    });

    test('credit notes add up to the invoice, tax included', async () => {
      const tenant = await tenantWith(0);
      await installation.use(tenant, [
        { at: NOVEMBER, model: 'a', costPico: 3_333_333_333_333 },
        { at: NOVEMBER, model: 'b', costPico: 3_333_333_333_333 },
        { at: NOVEMBER, model: 'c', costPico: 3_333_333_333_333 },
      ]);
      const invoice = await issued(tenant);
      const { invoices } = installation.billing;
      const credit = (lines?: { line: number; amount?: string }[]) =>
        invoices.credit(invoice.id, { reason: 'Outage', ...(lines && { lines }) }, BY_TEST);
      const numberOf = (model: string) =>
        invoice.document.lines.find((line) => line.model === model)?.number ?? 0;
      await expect(credit([{ line: numberOf('a'), amount: '3.35' }])).rejects.toThrow('left');
      await expect(credit([{ line: 99 }])).rejects.toThrow('no line 99');
      await expect(credit([{ line: 1 }, { line: 1 }])).rejects.toThrow('twice');
      const notes = [
        await credit([{ line: numberOf('a'), amount: '1.11' }]),
        await credit([{ line: numberOf('a') }, { line: numberOf('b'), amount: '0.01' }]),
        await credit(),
      ];
      const cents = (text: string) => BigInt(text.replace('.', ''));
      const sum = notes.reduce((all, { total }) => all + cents(total), 0n);
      expect(-sum).toBe(cents(invoice.total));
      expect(notes.map(({ number, kind, status }) => [number?.slice(0, 8), kind, status])).toEqual(
        notes.map(() => ['CN-2026-', 'credit_note', 'paid']),
      );
      await expect(credit()).rejects.toThrow('nothing');
      await expect(invoices.void(invoice.id, 'x', undefined, BY_TEST)).rejects.toThrow('credit notes');
    });

    test('invoices of a deleted tenant stay, and a tenant with its id starts again', async () => {
      const tenant = await tenantWith(9);
      const invoice = await issued(tenant);
      const { billing, stores } = installation;
      await stores.tenants.remove(tenant, undefined, BY_TEST);
      const kept = await billing.invoices.get(invoice.id);
      expect(kept.document.customer).toMatchObject({ tenant, name: `Tenant ${tenant}` });
      expect((await billing.invoices.pay(invoice.id, undefined, undefined, BY_TEST)).status).toBe('paid');
      await expect(billing.months.close(tenant, '2026-11', BY_TEST)).rejects.toThrow('no such tenant');
      installation.setTime(DECEMBER + 1);
      await installation.addTenant(tenant);
      expect((await billing.accounts.get(tenant)).version).toBe(0);
      // It has its own invoices.
      await installation.use(tenant, [{ at: NOVEMBER, costPico: 2 * DOLLAR }]);
      expect((await issued(tenant)).document.subtotal).toBe('2.00');
    });

    test('the last month is closed once its time has come, and a final one before a tenant is deleted', async () => {
      const tenant = await tenantWith(10);
      const { automatic, invoices, months } = installation.billing;
      const statuses = async () =>
        (await invoices.list({ tenant, limit: 10 })).map(({ period, status }) => [period, status]);
      installation.setTime(Date.parse('2026-12-01T23:59:59Z'));
      expect(await automatic.visit(tenant, BY_TEST)).toBe(false);
      installation.setTime(DECEMBER);
      expect(await automatic.visit(tenant, BY_TEST)).toBe(true);
      expect(await automatic.visit(tenant, BY_TEST)).toBe(false);
      expect(await statuses()).toEqual([['2026-11', 'draft']]);
      const [draft] = await invoices.list({ tenant, limit: 1 });
      const invoice = await invoices.issue(draft?.id ?? '', undefined, BY_TEST);
      installation.setTime(Date.parse('2026-12-16T00:00:00Z'));
      expect(await automatic.reportOverdue()).toBeGreaterThan(0);
      expect(await automatic.reportOverdue()).toBe(0);
      const ofInvoice = (await installation.events()).filter(([, id]) => id === invoice.id);
      expect(ofInvoice.map(([type]) => type)).toEqual([
        'invoice.created',
        'invoice.issued',
        'invoice.overdue',
      ]);
      // A voided invoice is not made again without being asked for.
      await invoices.void(invoice.id, 'Mistake', undefined, BY_TEST);
      expect(await automatic.visit(tenant, BY_TEST)).toBe(false);
      await months.close(tenant, '2026-11', BY_TEST);
      await installation.use(tenant, [{ at: Date.parse('2026-12-10T00:00:00Z'), costPico: 4 * DOLLAR }]);
      await automatic.final(tenant, BY_TEST);
      expect((await statuses()).sort()).toEqual([
        ['2026-11', 'draft'],
        ['2026-11', 'void'],
        ['2026-12', 'draft'],
      ]);
    });

    test('months end in the time zone of the tenant, and a running month cannot be closed', async () => {
      const tenant = await tenantWith(1, 'America/New_York');
      const at = (text: string) => Date.parse(text);
      await installation.use(tenant, [
        { at: at('2026-12-01T04:59:59Z'), costPico: DOLLAR },
        { at: at('2026-12-01T05:00:00Z'), costPico: DOLLAR },
        { at: at('2026-11-01T03:59:59Z'), costPico: DOLLAR },
      ]);
      installation.setTime(at('2026-12-01T04:59:59Z'));
      await expect(closed(tenant)).rejects.toThrow('ends at 2026-12-01T05:00:00.000Z');
      installation.setTime(at('2026-12-01T05:00:00Z'));
      expect((await issued(tenant)).document.subtotal).toBe('2.00');
    });

    test('each hour is charged once when the time zone changes between two months', async () => {
      for (const [from, to] of [
        ['UTC', 'Asia/Tokyo'],
        ['Asia/Tokyo', 'America/New_York'],
      ] as const) {
        const tenant = await tenantWith(0, from);
        const day = Date.parse('2026-11-29T00:30:00Z');
        const hours = Array.from({ length: 96 }, (_, hour) => ({
          at: day + hour * 3_600_000,
          costPico: DOLLAR,
        }));
        await installation.use(tenant, hours);
        const november = await issued(tenant);
        const { document } = await installation.stores.tenants.get(tenant);
        const change = { document: { ...document, time_zone: to } };
        await installation.stores.tenants.update(tenant, change, undefined, BY_TEST);
        installation.setTime(JANUARY);
        const december = await issued(tenant, '2026-12');
        const requests = [november, december].map((one) => Number(one.document.usage.requests));
        // One of the fixture's own.
        expect([from, (requests[0] ?? 0) + (requests[1] ?? 0)]).toEqual([from, 97]);
        expect(december.document.period.from).toBe(november.document.period.to);
      }
    });

    test('late usage has the prices of its day, also when the time zone changes after the close', async () => {
      const tenant = await tenantWith(10);
      const { accounts, priceLists, months } = installation.billing;
      const { account } = await accounts.get(tenant);
      installation.setTime(Date.parse('2026-10-06T00:00:00Z'));
      await priceLists.add(account, '2026-10-01', { margin: '100' }, 'x', BY_TEST);
      await priceLists.add(account, '2026-11-01', { margin: '10' }, 'x', BY_TEST);
      installation.setTime(DECEMBER);
      expect((await issued(tenant)).document.subtotal).toBe('11.00');
      const { document } = await installation.stores.tenants.get(tenant);
      const change = { document: { ...document, time_zone: 'America/New_York' } };
      await installation.stores.tenants.update(tenant, change, undefined, BY_TEST);
      await installation.use(tenant, [{ at: NOVEMBER, costPico: 10 * DOLLAR }]);
      const late = await months.calculate(tenant, '2026-12');
      expect(late.document.lines.map(({ amount }) => amount)).toEqual(['11.00']);
    });

    test('reverse charge needs a valid VAT id, and an invoice without anything to pay is paid', async () => {
      const tenant = await tenantWith(10);
      const { accounts } = installation.billing;
      const put = (document: Parameters<typeof accounts.put>[1]) =>
        accounts.put(tenant, document, undefined, BY_TEST);
      await expect(put({ reverse_charge: true })).rejects.toThrow('requires a "vat_id"');
      await expect(put({ vat_id: 'DE136695977' })).rejects.toThrow('check digits');
      await put({ name: 'Kunde GmbH', vat_id: 'DE 136 695 976', reverse_charge: true, due_days: 30 });
      const { document } = await issued(tenant);
      expect([document.tax, document.total, document.customer.vat_id, document.due_date]).toEqual([
        '0.00',
        '10.00',
        'DE136695976',
        '2026-12-30',
      ]);
      expect(document.notes.join()).toContain('Reverse charge');
      const free = await tenantWith(10);
      const { account } = await accounts.get(free);
      installation.setTime(NOVEMBER);
      const list = { currency: 'EUR', free_allowance: '100' };
      await installation.billing.priceLists.add(account, '2026-01-01', list, 'x', BY_TEST);
      installation.setTime(DECEMBER);
      const invoice = await issued(free);
      expect([invoice.total, invoice.status, invoice.currency]).toEqual(['0.00', 'paid', 'EUR']);
    });

    test('a missing rate, tax class or issuer is an error that names the setting', async () => {
      const tenant = await tenantWith(1);
      const { accounts, priceLists } = installation.billing;
      const { account } = await accounts.get(tenant);
      await priceLists.add(account, '2026-01-01', { currency: 'GBP' }, 'x', BY_TEST);
      await expect(closed(tenant)).rejects.toThrow('billing.exchange_rates.GBP');
      const rules = [{ model: 'm', margin: '0', tax_class: 'luxury' }];
      await priceLists.add(account, '2026-01-01', { rules }, 'x', BY_TEST);
      await expect(closed(tenant)).rejects.toThrow('billing.taxes.luxury');
      const reduced = [{ model: 'm', margin: '0', tax_class: 'reduced' }];
      await priceLists.add(account, '2026-01-01', { rules: reduced }, 'x', BY_TEST);
      expect((await issued(tenant)).document.taxes).toMatchObject([{ rate: '2.6', amount: '0.03' }]);
      expect((await priceLists.versions(DEFAULT_LIST)).length).toBe(0);
    });

    test('infrastructure costs are divided without remainder, and charged once', async () => {
      const [one, two, three] = [await tenantWith(0), await tenantWith(0), await tenantWith(0)];
      const { costs } = installation.billing;
      const document = { kind: 'other', description: 'Network', amount: '100.00' } as const;
      const cost = await costs.add(
        '2026-11',
        { ...document, share_by: 'requests', charge: true, tax_class: 'standard', models: ['shared'] },
        BY_TEST,
      );
      for (const tenant of [one, two, three]) {
        await installation.use(tenant, [{ at: NOVEMBER, model: 'shared' }]);
      }
      const amounts = [];
      for (const tenant of [one, two, three]) {
        const { document: text } = await issued(tenant);
        amounts.push(
          ...text.lines.filter(({ type }) => type === 'infrastructure').map(({ amount }) => amount),
        );
      }
      expect(amounts.sort()).toEqual(['33.33', '33.33', '33.34']);
      await expect(costs.remove(cost.id, BY_TEST)).rejects.toThrow('Invoices contain this cost');
      installation.setTime(JANUARY);
      expect((await installation.billing.months.calculate(one, '2026-12')).isEmpty).toBe(true);
      await expect(
        costs.add(
          '2026-11',
          {
            ...document,
            kind: 'gpu',
            gpu: 'H100',
            hours: '1',
            amount: undefined,
            share_by: 'tokens',
            charge: false,
            tax_class: 'standard',
          },
          BY_TEST,
        ),
      ).rejects.toThrow('billing.gpu_hours');
    });
  });
}
