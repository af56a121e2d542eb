import type { Observation } from '../alerts/observations.ts';
import type { Clock } from '../core/clock.ts';
import type { EnginePool } from '../engines/engine-pool.ts';
import type { TargetState } from '../routing/health/target-state.ts';
import type { TargetStates } from '../routing/health/target-states.ts';
import type { WriteHealth } from '../storage/write-health.ts';
import type { BackupAge, BackupWatch } from './backup-watch.ts';
import type { ExportJobs } from './exports.ts';
import type { GatewaySnapshot } from './snapshot.ts';

export interface ObservedParts {
  readonly clock: Clock;
  readonly snapshot: () => Pick<GatewaySnapshot, 'directory' | 'providers'>;
  readonly states: TargetStates;
  readonly engines: Pick<EnginePool, 'list'>;
  readonly writes: Pick<WriteHealth, 'isFailing'>;
  readonly backups: Pick<BackupWatch, 'age'>;
  readonly exports: Pick<ExportJobs, 'failing'>;
}

/** @returns what is wrong with this process and its targets now */
export function observeGateway({
  clock,
  snapshot,
  states,
  engines,
  writes,
  backups,
  exports,
}: ObservedParts): Observation[] {
  const now = clock.now();
  const found: Observation[] = [];
  const { directory, providers } = snapshot();
  const used = new Map<string, { count: number; down: number }>();
  for (const target of directory.targets()) {
    const state = states.of(target);
    // What operators have decided needs no alert.
    if (state.override !== undefined) continue;
    const provider = used.get(target.provider.id) ?? { count: 0, down: 0 };
    used.set(target.provider.id, provider);
    provider.count += 1;
    const reason = failureOf(state, now);
    if (reason === undefined) continue;
    provider.down += 1;
    const subject = `${target.provider.id}/${target.model}`;
    found.push({ kind: 'target_unavailable', subject, value: 1, detail: reason });
  }
  for (const { id } of providers) {
    const { count = 0, down = 0 } = used.get(id) ?? {};
    if (count === 0 || (states.healthOf(id) !== false && down < count)) continue;
    found.push({ kind: 'provider_unavailable', subject: id, value: 1, detail: '' });
  }
  let queued = 0;
  for (const count of states.queuedByPriority().values()) queued += count;
  if (queued > 0) found.push({ kind: 'queue_depth', subject: '', value: queued, detail: '' });
  for (const { id, state, lastFailure } of engines.list()) {
    if (lastFailure === undefined || state === 'ready' || state === 'starting') continue;
    found.push({ kind: 'engine_failed', subject: id, value: 1, detail: lastFailure });
  }
  if (writes.isFailing) found.push({ kind: 'storage_failing', subject: '', value: 1, detail: '' });
  const backup = backups.age;
  if (backup?.isOverdue) {
    found.push({ kind: 'backup_overdue', subject: '', value: 1, detail: overdueText(backup) });
  }
  for (const [id, tenants] of exports.failing) {
    const [[tenant, reason] = ['', '']] = tenants;
    const others = tenants.size === 1 ? '' : `, and ${tenants.size - 1} more`;
    found.push({
      kind: 'export_failing',
      subject: id,
      value: 1,
      // Without a tenant, it fails for all of them.
      detail: tenant === '' ? reason : `${reason} (tenant ${tenant}${others})`,
    });
  }
  return found;
}

/** Without a number that changes with each report, which would write each of them. */
function overdueText({ ageMs, fault }: BackupAge): string {
  if (fault !== undefined) return fault;
  return ageMs === undefined ? 'no backup was found' : 'the schedule that makes backups has stopped or fails';
}

function failureOf(state: TargetState, now: number): string | undefined {
  const unavailable = state.unavailable(now);
  const last = state.lastFailure && `, after ${state.lastFailure.code}`;
  if (state.healthy === false) return 'health checks fail';
  if (state.breakerState(now) !== 'closed') return `its circuit breaker is not closed${last ?? ''}`;
  return unavailable === 'ejected' ? `it was ejected${last ?? ''}` : undefined;
}
