import { readFileSync } from 'node:fs';
import type { QueryExecutorProvider } from 'kysely';
import { z } from 'zod';
import { time, timeInput } from '../api/admin/paging.ts';
import type { Stores } from '../app/stores.ts';
import { csvField } from '../core/csv.ts';
import { parseJsonText } from '../core/json.ts';
import { type AuditHead, readChain, readStart } from '../storage/sql/audit-chain.ts';
import {
  type AuditReport,
  AuditVerifier,
  describeFault,
  verifyTrail,
} from '../storage/sql/audit-verification.ts';
import type { AuditRow } from '../storage/sql/tenant-tables.ts';
import { AuditTrails } from '../tenancy/audit-trails.ts';
import { CommandError, type Output, type StoreCommand, table } from './output.ts';
import { parsed } from './reports.ts';
import { assertTenant, withStores } from './stores.ts';

export interface AuditOptions {
  /** Undefined for the platform's trail. */
  readonly tenant: string | undefined;
  readonly actor: string | undefined;
  readonly action: string | undefined;
  readonly subject: string | undefined;
  readonly from: string | undefined;
  readonly to: string | undefined;
  readonly limit: string;
  readonly json: boolean;
}

const MAX_AUDIT = 10_000;

/** Prints the audit trail of a tenant, or of the platform, newest first. */
export async function auditCommand(
  { config, env, output }: StoreCommand,
  { tenant, actor, action, subject, from, to, limit, json }: AuditOptions,
): Promise<void> {
  const range = parsed(z.object({ from: timeInput.optional(), to: timeInput.optional() }), { from, to });
  const count = Number(limit);
  if (!Number.isInteger(count) || count < 1 || count > MAX_AUDIT) {
    throw new CommandError(`--limit must be a number from 1 to ${MAX_AUDIT}.`);
  }
  await withStores(config, env, output, async ({ access, control, databases }) => {
    if (tenant !== undefined) assertTenant(access, tenant);
    const trails = new AuditTrails(control, databases);
    const query = { actor, action, subject, ...range, limit: count };
    const { rows: entries } = await (tenant === undefined
      ? trails.ofPlatform(query)
      : trails.ofTenant({ tenant }, query));
    if (json) {
      for (const entry of entries) {
        output.out(JSON.stringify({ ...entry, at: time(entry.at), details: JSON.parse(entry.details) }));
      }
      return;
    }
    if (entries.length === 0) output.err('There are no such entries.');
    else {
      output.out(
        table(
          ['TIME (UTC)', 'ACTOR', 'ACTION', 'SUBJECT', 'ADDRESS', 'DETAILS'],
          entries.map((entry) => [
            time(entry.at).slice(0, 19).replace('T', ' '),
            entry.actor_name || entry.actor,
            entry.action,
            entry.subject,
            entry.address,
            entry.details === '{}' ? '' : entry.details,
          ]),
        ),
      );
    }
  });
}

export interface VerifyOptions {
  /** Undefined for all trails. */
  readonly tenant: string | undefined;
  readonly file: string | undefined;
  /** `<sequence>:<hash>` */
  readonly anchor: string | undefined;
  readonly json: boolean;
}

/** Name of the platform's trail in reports. */
const PLATFORM = 'platform';

/** @throws CommandError when a trail has a fault */
export async function verifyCommand(
  { config, env, output }: StoreCommand,
  { tenant, anchor: anchorText, json }: VerifyOptions,
): Promise<void> {
  const anchor = anchorOf(anchorText);
  if (anchor && tenant === undefined) throw new CommandError('--anchor needs --tenant, or --file.');
  await withStores(config, env, output, async (stores) => {
    const reports = new Map<string, AuditReport>();
    if (tenant !== undefined) {
      assertTenant(stores.access, tenant);
      reports.set(tenant, await stores.databases.use({ tenant }, (db) => verifyTrail(db, anchor)));
    } else {
      reports.set(PLATFORM, await verifyTrail(stores.control));
      for (const id of tenantsIn(stores)) {
        output.status?.(`\r${reports.size} trails verified`);
        reports.set(id, await stores.databases.use({ tenant: id }, (db) => verifyTrail(db)));
      }
      output.status?.('\n');
    }
    printReports(output, reports, json);
  });
}

function tenantsIn({ access }: Stores): string[] {
  return [...access.tenants()]
    .filter(({ status }) => status !== 'deleted')
    .map(({ id }) => id)
    .sort();
}

/** @throws CommandError when the export has a fault, or is none */
export function verifyFileCommand(output: Output, { file = '', anchor, json }: VerifyOptions): void {
  const lines = readFileSync(file, 'utf8').split('\n');
  if (lines.at(-1) === '') lines.pop();
  const rows = lines.map((line, index) => {
    const result = exportedEntry.safeParse(parseJsonText(line));
    if (!result.success) throw new CommandError(`${file}:${index + 1}: this is no entry of an audit trail.`);
    return result.data;
  });
  const [first] = rows;
  const start = { sequence: (first?.sequence ?? 1) - 1, hash: first?.previous_hash ?? '' };
  const verifier = new AuditVerifier(start, anchorOf(anchor));
  for (const { details, at, previous_hash: _, ...entry } of rows) {
    verifier.add({ ...entry, at: Date.parse(at), details: JSON.stringify(details) });
  }
  printReports(output, new Map([[file, verifier.end()]]), json);
}

const exportedEntry = z.object({
  sequence: z.int(),
  id: z.string(),
  at: z.iso.datetime(),
  actor: z.string(),
  actor_name: z.string(),
  action: z.string(),
  subject: z.string(),
  details: z.looseObject({}),
  address: z.string(),
  request_id: z.string(),
  previous_hash: z.string(),
  hash: z.string(),
});

function anchorOf(text: string | undefined): AuditHead | undefined {
  if (text === undefined) return undefined;
  const match = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text);
  if (!match)
    throw new CommandError('--anchor must be <sequence>:<hash>, as the log and the metric show it.');
  return { sequence: Number(match[1]), hash: match[2] ?? '' };
}

function printReports(output: Output, reports: ReadonlyMap<string, AuditReport>, json: boolean): void {
  const faults = [...reports.values()].reduce((sum, report) => sum + report.faults.length, 0);
  if (json) {
    const trails = [...reports].map(([trail, { entries, start, end, faults: found }]) => ({
      ...{ trail, entries, from: start.sequence + 1, to: end.sequence, head: end.hash },
      faults: found.map(({ kind, sequence, lastSequence, id }) => ({
        ...{ kind, sequence, last_sequence: lastSequence ?? sequence, id: id ?? null },
      })),
    }));
    output.out(JSON.stringify({ valid: faults === 0, trails }, null, 2));
  } else {
    const rows = [...reports].map(([trail, { entries, start, end, faults: found }]) => [
      ...[trail, String(entries), `${start.sequence + 1}-${end.sequence}`, end.hash.slice(0, 16)],
      found.length === 0 ? 'valid' : `${found.length} ${found.length === 1 ? 'fault' : 'faults'}`,
    ]);
    output.out(table(['TRAIL', 'ENTRIES', 'SEQUENCES', 'HEAD', 'RESULT'], rows));
    for (const [trail, report] of reports) {
      for (const fault of report.faults) output.out(`${trail}: ${describeFault(fault)}`);
    }
  }
  if (faults > 0) throw new CommandError('The audit trail is not as it was written.');
}

export interface ExportOptions {
  /** Undefined for the platform's trail. */
  readonly tenant: string | undefined;
  readonly format: string;
}

const COLUMNS = [
  ...['sequence', 'id', 'at', 'actor', 'actor_name', 'action', 'subject', 'details', 'address', 'request_id'],
  ...['previous_hash', 'hash'],
] as const;

/** Prints a whole trail, with the hashes that `weir audit verify --file` follows. */
export async function exportCommand(
  { config, env, output }: StoreCommand,
  { tenant, format }: ExportOptions,
): Promise<void> {
  if (format !== 'jsonl' && format !== 'csv') throw new CommandError('--format must be jsonl or csv.');
  await withStores(config, env, output, async ({ access, control, databases }) => {
    if (tenant !== undefined) assertTenant(access, tenant);
    const print = (db: QueryExecutorProvider) => printTrail(db, output, format);
    await (tenant === undefined ? print(control) : databases.use({ tenant }, print));
  });
}

async function printTrail(db: QueryExecutorProvider, output: Output, format: 'jsonl' | 'csv'): Promise<void> {
  let last = await readStart(db);
  if (format === 'csv') output.out(COLUMNS.join(','));
  for (let rows = await readChain(db, 1); rows.length > 0; rows = await readChain(db, last.sequence + 1)) {
    for (const row of rows) {
      output.out(format === 'csv' ? csvLine(row, last.hash) : jsonLine(row, last.hash));
      last = row;
    }
  }
}

function jsonLine({ sequence, hash, at, details, ...entry }: AuditRow, previous_hash: string): string {
  return JSON.stringify({
    sequence,
    ...entry,
    at: time(at),
    details: parseJsonText(details),
    previous_hash,
    hash,
  });
}

function csvLine(row: AuditRow, previous_hash: string): string {
  const values: Readonly<Record<string, unknown>> = { ...row, at: time(row.at), previous_hash };
  return COLUMNS.map((column) => csvField(values[column])).join(',');
}
