import type { EventSink } from '../events/event-bus.ts';
import type { ExportVisit } from '../exports/export-run.ts';

const IMPACT = 'records wait in the database until the next visit';

/** Why exports of this gateway fail, for alerts and the log. */
export class ExportFailures {
  readonly #failing = new Map<string, ReadonlyMap<string, string>>();
  /** Exports whose last visit met an error of a database. */
  readonly #broken = new Set<string>();

  constructor(private readonly events: EventSink) {}

  /** By id of the export and of the tenant; as of the last visits. */
  get all(): ReadonlyMap<string, ReadonlyMap<string, string>> {
    return this.#failing;
  }

  /** @param visit undefined where another gateway visits, or the export is paused */
  visited(id: string, visit: ExportVisit | undefined): void {
    if (visit && visit.failing.size > 0) this.#failing.set(id, visit.failing);
    else this.#failing.delete(id);
    if (!visit) return;
    const [error] = visit.errors;
    if (error === undefined) this.#broken.delete(id);
    else this.threw(id, error);
  }

  /** Its visit ended early: what fails is as it was. Emits once for each run of errors. */
  threw(id: string, error: unknown): void {
    if (this.#broken.has(id)) return;
    this.#broken.add(id);
    this.events.emit('job.failed', { job: `export ${id}`, error, impact: IMPACT });
  }

  /** Of an export that cannot run as it is configured; it fails for all tenants, under an empty id. */
  unopened(id: string, error: unknown): void {
    this.#failing.set(id, new Map([['', error instanceof Error ? error.message : String(error)]]));
    this.threw(id, error);
  }

  /** Forgets exports that are no longer configured, or could not run. */
  keep(ids: readonly string[]): void {
    for (const id of [...this.#failing.keys(), ...this.#broken]) {
      if (ids.includes(id)) continue;
      this.#failing.delete(id);
      this.#broken.delete(id);
    }
  }
}
