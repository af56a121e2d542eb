import { z } from 'zod';

const DAY_MS = 86_400_000;

/** How long data is kept. Milliseconds; null keeps it for good. */
export interface Retention {
  readonly usage: number | null;
  readonly audit: number | null;
  readonly responses: number | null;
}

const days = z
  .string()
  .regex(/^[1-9]\d{0,4}d$/, 'expected a number of days from 1d to 99999d')
  .nullable()
  .optional();

/** A tenant's own retention, in days; absent members are those of the installation, null keeps data for good. */
export const retentionDocument = z.strictObject({
  usage: days.describe('Usage events and sums, such as `90d`.'),
  audit: days.describe('Entries of the audit trail.'),
  responses: days.describe('Stored responses.'),
});
export type RetentionDocument = z.infer<typeof retentionDocument>;

/** @returns a tenant's retention */
export function retentionOf(installation: Retention, own: RetentionDocument | undefined): Retention {
  if (!own) return installation;
  const { usage, audit, responses } = own;
  return {
    usage: usage === undefined ? installation.usage : milliseconds(usage),
    audit: audit === undefined ? installation.audit : milliseconds(audit),
    responses: responses === undefined ? installation.responses : milliseconds(responses),
  };
}

function milliseconds(text: string | null): number | null {
  return text === null ? null : Number(text.slice(0, -1)) * DAY_MS;
}
