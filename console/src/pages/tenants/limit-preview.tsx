import { useState } from 'react';
import { api } from '../../lib/api.ts';
import { money, number } from '../../lib/format.ts';
import { limitText } from '../../lib/tenancy.ts';
import { Button } from '../../ui/button.tsx';
import { Badge, ErrorPanel } from '../../ui/feedback.tsx';
import { type LimitDraft, limitsOfDrafts } from './limit-editor.tsx';

interface PastDay {
  readonly day: string;
  readonly requests: number | null;
  readonly rejected: number | null;
  readonly rejected_cost: string | null;
}

interface PastLimit {
  readonly of: string;
  readonly per: string | null;
  readonly max: number | string;
  readonly mode: string;
  readonly requests: number;
  readonly rejected: number;
  readonly rejected_cost: string;
  readonly exact: boolean;
  readonly notes: readonly string[];
  readonly days: readonly PastDay[];
}

/** Whose limits they are. */
export interface LimitSubject {
  readonly tenant: string;
  readonly scope: 'tenant' | 'user' | 'key';
  /** Of the user or key. */
  readonly id?: string;
}

const DAYS = 7;

/** What limits would have done in the last week, before they are saved. */
export function LimitPreview({
  subject: { tenant, scope, id },
  drafts,
}: {
  readonly subject: LimitSubject;
  readonly drafts: readonly LimitDraft[];
}) {
  const [found, setFound] = useState<{ readonly of: string; readonly limits: readonly PastLimit[] }>();
  const [error, setError] = useState<unknown>();
  const [isBusy, setBusy] = useState(false);
  const limits = limitsOfDrafts(drafts);
  const name = JSON.stringify(limits);
  if (drafts.length === 0) return null;
  const run = () => {
    setBusy(true);
    setError(undefined);
    api
      .post<{ readonly limits: readonly PastLimit[] }>(`/admin/v1/tenants/${tenant}/limits/simulate`, {
        ...{ scope, limits, days: DAYS },
        ...(id === undefined ? {} : { id }),
      })
      .then((result) => setFound({ of: name, limits: result.limits }))
      .catch((thrown: unknown) => {
        setFound(undefined);
        setError(thrown);
      })
      .finally(() => setBusy(false));
  };
  return (
    <div className="flex flex-col gap-2">
      <Button className="self-start" onClick={run} isBusy={isBusy}>
        What would they have done last week?
      </Button>
      <div aria-live="polite" className="flex flex-col gap-2">
        {error !== undefined && <ErrorPanel what="It could not be computed" error={error} />}
        {found && found.of !== name && (
          <p className="text-muted">The limits have changed since: compute again.</p>
        )}
        {found?.limits.map((limit) => (
          <PastLimitView key={`${limit.of} ${limit.per} ${limit.mode}`} {...limit} />
        ))}
      </div>
    </div>
  );
}

function PastLimitView(limit: PastLimit) {
  const { mode, requests, rejected, rejected_cost: cost, exact, notes, days } = limit;
  const verb = mode === 'enforce' ? 'rejected' : mode === 'warn' ? 'warned of' : 'counted as above it';
  return (
    <section className="rounded border border-line min-w-0" aria-label={`${limitText(limit)}, last week`}>
      <p className="px-3 py-2 flex flex-wrap gap-2 items-center">
        <span className="font-medium">{limitText(limit)}</span>
        <span>
          {rejected === 0
            ? `would have ${verb} none of ${number(requests)} requests`
            : `would have ${verb} ${exact ? '' : '~'}${number(rejected)} of ${number(requests)} requests (${money(cost, !exact)})`}
        </span>
        {!exact && <Badge>estimate</Badge>}
      </p>
      <div className="overflow-x-auto" tabIndex={0}>
        <table className="w-full table-fixed min-w-[32rem]">
          <caption className="sr-only">By day</caption>
          <thead>
            <tr className="border-t border-line">
              {days.map(({ day }) => (
                <th
                  key={day}
                  scope="col"
                  className="px-2 font-normal text-muted text-right whitespace-nowrap"
                >
                  {day.slice(5)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            <tr>
              {days.map(({ day, rejected: ofDay, requests: all }) => (
                <td
                  key={day}
                  className={`px-2 text-right whitespace-nowrap ${ofDay ? 'font-semibold text-bad' : 'text-muted'}`}
                >
                  {ofDay === null || all === null ? '–' : `${number(ofDay)} / ${number(all)}`}
                </td>
              ))}
            </tr>
          </tbody>
        </table>
      </div>
      {notes.map((note) => (
        <p key={note} className="px-3 py-1 text-muted">
          {note}
        </p>
      ))}
    </section>
  );
}
