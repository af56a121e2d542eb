import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createReports } from '../../src/app/reports.ts';
import type { StoredEvent } from '../../src/events/stored-event.ts';
import { reportConsumers } from '../../src/reports/report-delivery.ts';
import { scheduleSettings } from '../../src/reports/schedules.ts';
import type { Reports } from '../../src/reports/services.ts';
import { copyUsageDays } from '../../src/storage/sql/usage-copies.ts';
import type { UsageEvent } from '../../src/storage/usage-event.ts';
import {
  type BillingInstallation,
  BY_TEST,
  billingInstallation,
  INSTALLATION_DATABASES,
} from '../support/billing-installation.ts';
import { type SmtpReceiver, startSmtpReceiver } from '../support/smtp-receiver.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const at = (text: string) => Date.parse(text);
const settings = (given: Readonly<Record<string, unknown>>) => scheduleSettings.parse(given);

/** A cent of use. */
const cent = (time: string, more: Partial<UsageEvent> = {}): Partial<UsageEvent> => ({
  ...{ at: at(time), costPico: 10_000_000_000, inputTokens: 100, outputTokens: 10, ...more },
});

for (const database of INSTALLATION_DATABASES) {
  describe.skipIf(!database.available)(`reports on ${database.name}`, () => {
    let installation: BillingInstallation;
    let smtp: SmtpReceiver;
    let files = '';
    let first: Reports;
    let second: Reports;
    beforeAll(async () => {
      files = mkdtempSync(join(tmpdir(), 'weir-reports-'));
      smtp = await startSmtpReceiver();
      installation = await billingInstallation(
        database,
        {},
        {
          mail: { host: '127.0.0.1', port: smtp.port, tls: 'off', from: 'weir@example.com' },
          storage: { report_files: files },
        },
      );
      const { stores, config } = installation;
      first = createReports(stores, () => config, {});
      second = createReports(await installation.anotherStores(), () => config, {});
      await installation.addTenant('zurich', 'Europe/Zurich');
    }, 60_000);
    afterAll(async () => {
      await installation?.dispose();
      smtp?.close();
      rmSync(files, { recursive: true, force: true });
    });

    const created = async () => {
      const rows = await installation.stores.control
        .selectFrom('event_log')
        .selectAll()
        .where('type', '=', 'report.created')
        .orderBy('sequence')
        .execute();
      return rows.map(({ subject }) => subject.slice('report:'.length));
    };
    const runBoth = async () => {
      const counts = await Promise.all([first.run.run(), second.run.run()]);
      return counts.reduce((sum, count) => sum + count, 0);
    };

    test('are made once for each day, by two gateways, over the end of summer time', async () => {
      const { stores, use, setTime } = installation;
      await use('zurich', [
        cent('2026-10-23T23:30:00Z'),
        // Sunday the 25th has 25 hours: from 22:00 UTC to 23:00 UTC.
        cent('2026-10-24T21:59:00Z'),
        cent('2026-10-24T22:00:00Z', { keyId: 'key_a', client: 'OpenAI/Python', tags: ['team=a'] }),
        cent('2026-10-25T22:59:00Z'),
        cent('2026-10-25T23:00:00Z'),
      ]);
      setTime(at('2026-10-24T10:00:00Z'));
      const daily = settings({
        ...{
          name: '=Daily',
          period: 'daily',
          recipients: ['Fin@example.com', 'ops@example.com'],
          files: true,
        },
      });
      const schedule = await first.schedules.create('zurich', daily, BY_TEST);
      expect(schedule.nextEnd).toBe(at('2026-10-24T22:00:00Z'));
      expect(await runBoth()).toBe(0);
      setTime(at('2026-10-24T22:05:00Z'));
      expect(await runBoth()).toBe(0);
      setTime(at('2026-10-24T22:11:00Z'));
      expect(await runBoth()).toBe(1);
      setTime(at('2026-10-25T22:59:00Z'));
      expect(await runBoth()).toBe(0);
      setTime(at('2026-10-25T23:15:00Z'));
      expect(await runBoth()).toBe(1);
      expect(await runBoth()).toBe(0);
      const reports = await first.reports.list('zurich', 10, undefined);
      expect(reports.map(({ document }) => [document.label, document.totals.cost])).toEqual([
        ['2026-10-25', '0.02'],
        ['2026-10-24', '0.02'],
      ]);
      expect(await created()).toEqual(reports.map(({ id }) => id).reverse());
      const [{ document } = { document: undefined }] = reports;
      expect(document?.previous.cost).toBe('0.02');
      const rows = document?.groups.map(({ by, rows: found }) => [by, found.map(({ id }) => id).sort()]);
      expect(rows).toEqual([
        ['key', ['key_1', 'key_a']],
        ['user', ['']],
        ['model', ['m']],
        ['provider', ['p']],
        ['tag', ['team=a']],
        ['client', ['OpenAI/Python']],
      ]);
      expect(document?.changes[0]).toMatchObject({ change: expect.stringMatching(/^-?0\.01$/) });
      expect(document?.forecast).toMatchObject({ month: '2026-10', used: '0.04', estimated: true });
      // A gateway that was off for a month makes up for the last seven days.
      setTime(at('2026-11-25T12:00:00Z'));
      let made = 0;
      for (let runs = 0; runs < 12; runs += 1) made += await runBoth();
      expect(made).toBe(7);
      const labels = (await first.reports.list('zurich', 7, undefined)).map(({ document: one }) => one.label);
      expect(labels.sort()).toEqual([18, 19, 20, 21, 22, 23, 24].map((day) => `2026-11-${day}`));
      await stores.control.deleteFrom('report_schedules').execute();
    }, 60_000);

    test('go to each address once, and into files, with names beside ids and no formulas', async () => {
      const { stores, use, setTime } = installation;
      await stores.databases.use({ tenant: 'zurich' }, (db) =>
        db
          .insertInto('members')
          .values({
            ...{ id: 'mem_1', kind: 'service_account', email: null, name: '=HYPERLINK("x")', role: 'viewer' },
            ...{ status: 'active', limits: '[]', version: 1, created_at: 1, updated_at: 1 },
          })
          .execute(),
      );
      await use('zurich', [cent('2027-01-10T12:00:00Z', { member: 'mem_1' })]);
      setTime(at('2027-01-20T12:00:00Z'));
      const monthly = settings({
        ...{
          name: 'Monthly cost',
          period: 'monthly',
          recipients: ['a@example.com', 'b@example.com'],
          files: true,
        },
      });
      await first.schedules.create('zurich', monthly, BY_TEST);
      setTime(at('2027-01-31T23:30:00Z'));
      expect(await runBoth()).toBe(1);
      const [report] = await first.reports.list('zurich', 1, undefined);
      const event: StoredEvent = {
        ...{
          sequence: 1,
          id: 'evt_1',
          type: 'report.created',
          version: 1,
          tenant: 'zurich',
          subject: 'report:x',
        },
        ...{ actor: 'system', requestId: '', at: 0, isTest: false },
        data: { report: report?.id, name: 'x', from: 0, to: 1 },
      };
      const consumers = reportConsumers(async () => first.delivery);
      smtp.reject(1);
      await expect(consumers.mail.deliver([event])).rejects.toThrow();
      expect(smtp.mails.map(({ to }) => to)).toEqual([['b@example.com']]);
      for (let again = 0; again < 2; again += 1) {
        await consumers.mail.deliver([event]);
        await consumers.files.deliver([event]);
      }
      expect(smtp.mails.map(({ to }) => to)).toEqual([['b@example.com'], ['a@example.com']]);
      expect(smtp.mails[0]?.data).toContain('Subject: Monthly cost: 2027-01');
      const folder = join(files, 'zurich', 'monthly');
      const names = readdirSync(folder).sort();
      expect(names).toEqual([`2027-01-${report?.id}.csv`, `2027-01-${report?.id}.json`]);
      const csv = readFileSync(join(folder, names[0] ?? ''), 'utf8');
      expect(csv).toStartWith('period,from,to,time_zone,by,id,name,requests');
      expect(csv).toContain(`user,mem_1,"'=HYPERLINK(""x"")",1,0,100,10,0.01,0`);
      await stores.control.deleteFrom('report_schedules').execute();
    }, 60_000);

    test('are made although many others fail', async () => {
      const { stores, setTime } = installation;
      setTime(at('2027-02-01T12:00:00Z'));
      const daily = settings({ name: 'x', period: 'daily' });
      const good = await first.schedules.create('zurich', daily, BY_TEST);
      const broken = Array.from({ length: 60 }, (_, index) => `rsc_broken_${index}`);
      const row = await stores.control
        .selectFrom('report_schedules')
        .selectAll()
        .where('id', '=', good.id)
        .executeTakeFirstOrThrow();
      // They are due for longer than the one that can be made.
      await stores.control
        .insertInto('report_schedules')
        .values(broken.map((id) => ({ ...row, id, document: '{}', next_end: 1 })))
        .execute();
      setTime(at('2027-02-02T00:00:00Z'));
      await expect(first.run.run()).rejects.toThrow();
      expect((await first.reports.list('zurich', 1, undefined))[0]?.schedule).toBe(good.id);
      await stores.control.deleteFrom('report_schedules').execute();
    });

    test('of all tenants read copies of daily sums', async () => {
      const { stores, setTime } = installation;
      await copyUsageDays(stores.control, stores.databases, 'zurich');
      setTime(at('2026-11-02T00:00:00Z'));
      const document = await first.preview(null, 'monthly', undefined);
      expect(document).toMatchObject({
        label: '2026-10',
        totals: { requests: 5, cost: '0.05' },
        forecast: null,
      });
      expect(document.groups[0]).toMatchObject({
        by: 'tenant',
        rows: [{ id: 'zurich', name: 'Tenant zurich' }],
      });
    });

    test('are left alone where their period runs, or their tenant has another zone by now', async () => {
      const { stores, setTime } = installation;
      setTime(at('2027-03-10T12:00:00Z'));
      await first.schedules.create('zurich', settings({ name: 'W', period: 'weekly' }), BY_TEST);
      await stores.control
        .updateTable('report_schedules')
        .set({ next_end: at('2027-03-10T11:00:00Z') })
        .execute();
      expect(await runBoth()).toBe(0);
      const [schedule] = await first.schedules.list('zurich');
      expect(schedule?.nextEnd).toBe(at('2027-03-14T23:00:00Z'));
      const seen = schedule?.version;
      const id = schedule?.id ?? '';
      await first.schedules.update('zurich', id, { enabled: false }, seen, BY_TEST);
      setTime(at('2027-03-10T12:00:00Z') + 30 * DAY);
      expect(await runBoth()).toBe(0);
      const on = await first.schedules.update('zurich', id, { enabled: true }, undefined, BY_TEST);
      expect(on.nextEnd).toBe(at('2027-04-11T22:00:00Z'));
      await expect(first.schedules.update('zurich', id, {}, seen, BY_TEST)).rejects.toThrow('Changed since');
    });
  });
}
