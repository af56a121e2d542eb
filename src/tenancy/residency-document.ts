import { z } from 'zod';
import { ELSEWHERE_POLICIES, isInRegions, REGION_NAME, type TenantResidency } from '../core/region.ts';

const region = z.string().regex(REGION_NAME, 'must be the name of a region, such as eu-central-1');

/** Where a tenant's data may be, as it is stored and as the admin API takes it. */
export const residencyDocument = z
  .strictObject({
    region: region.describe('Its home region, one of `regions`: the gateways there serve it.'),
    allowed: z
      .array(region)
      .min(1)
      .max(50)
      .optional()
      .describe(
        'Regions in which its data may be processed, by targets, guardrail servers and gateways; `eu` includes `eu-west-1`. By default the home region and those of `failover`.',
      ),
    failover: z
      .array(region)
      .max(10)
      .optional()
      .describe(
        'Regions that serve it while its home region is unavailable, in this order. By default none: it is then unavailable.',
      ),
    elsewhere: z
      .enum(ELSEWHERE_POLICIES)
      .optional()
      .describe(
        'What gateways of other regions do with its requests: `reject` them with the right address (the default), or `forward` them there.',
      ),
  })
  .superRefine(({ region: home, allowed, failover = [] }, context) => {
    const issue = (path: (string | number)[], message: string) =>
      context.addIssue({ code: 'custom', path, message });
    failover.forEach((one, index) => {
      if (one === home) issue(['failover', index], 'is the home region');
      else if (failover.indexOf(one) !== index) issue(['failover', index], 'is there twice');
    });
    if (!allowed) return;
    const outside = [home, ...failover].find((one) => !isInRegions(one, allowed));
    if (outside !== undefined) issue(['allowed'], `must include "${outside}", which serves the tenant`);
  });
export type ResidencyDocument = z.infer<typeof residencyDocument>;

/** @returns the residency as requests use it */
export function residencyOf(document: ResidencyDocument | undefined): TenantResidency | undefined {
  if (!document) return undefined;
  const { region: home, failover = [], elsewhere = 'reject' } = document;
  return { region: home, failover, elsewhere, allowed: document.allowed ?? [home, ...failover] };
}
