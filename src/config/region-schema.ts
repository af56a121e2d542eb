import { z } from 'zod';
import { REGION_NAME } from '../core/region.ts';
import { providerTls } from './connection-schema.ts';
import { baseUrl, duration, fromNumericText, integer, listOfMany, nullable, section } from './fields.ts';

export const regionName = () =>
  z.string().regex(REGION_NAME, 'must be 1 to 63 lower-case letters, digits and "-", such as eu-central-1');

const share = () => z.preprocess(fromNumericText, z.number().min(0).max(1));

/** Shares such as three times 0.333 are decimals: their sum is rounded. */
const ROUNDING = 1e-9;

/** The regions of the installation. */
export const regions = () =>
  listOfMany(() =>
    z.strictObject({
      id: regionName().describe('The name of the region, as tenants and `region` use it.'),
      address: baseUrl().describe(
        'The address of its gateways for clients and for the gateways of other regions, such as `https://eu.ai.example.com`.',
      ),
      share: nullable(share()).describe(
        'Its part of the limits of tenants without a home region, which every region serves: 0.5 is half of them. By default what is left, in equal parts.',
      ),
      failover: z
        .enum(['automatic', 'manual'])
        .prefault('automatic')
        .describe(
          'Who decides that other regions serve its tenants: health checks (`automatic`), or `state: down` alone (`manual`).',
        ),
      state: z
        .enum(['auto', 'up', 'down'])
        .prefault('auto')
        .describe(
          'What operators say of it: `down` lets other regions serve the tenants that allow it; `up` prevents that; `auto` leaves it to health checks.',
        ),
    }),
  ).superRefine((list, context) => {
    const ids = new Set<string>();
    list.forEach(({ id }, index) => {
      if (ids.has(id)) {
        context.addIssue({
          code: 'custom',
          path: [index, 'id'],
          message: 'another region already has this name',
        });
      }
      ids.add(id);
    });
    const sum = list.reduce((total, one) => total + (one.share ?? 0), 0);
    if (sum > 1 + ROUNDING) {
      const message = `the shares add up to ${Number(sum.toFixed(6))}; at most 1 is allowed`;
      context.addIssue({ code: 'custom', path: [], message });
    }
  });

/** How regions work together. */
export const regionRouting = () =>
  section({
    interval: duration(1).prefault('5s').describe('The interval of health checks of other regions.'),
    timeout: duration(1).prefault('2s').describe('The timeout of one check.'),
    failures: integer(1, 1_000).prefault(3).describe('Consecutive failed checks before a region is down.'),
    successes: integer(1, 1_000)
      .prefault(6)
      .describe('Consecutive successful checks before it is up again, and serves its tenants.'),
    failover_share: share()
      .prefault(0.1)
      .describe(
        'The part of quotas and budgets that a region has for each tenant that it serves in place of the home region. Rates hold in full.',
      ),
    connect_timeout: duration(1)
      .prefault('3s')
      .describe('The timeout of connecting to another region for a forwarded request.'),
    max_forwarded: integer(1, 100_000)
      .prefault(1_000)
      .describe('Requests that this gateway forwards at the same time. Further ones get 503.'),
    tls: providerTls().describe(
      'TLS to other regions, for checks and forwarded requests, with an own certificate authority or a client certificate. Null uses the authorities of the system. Changed files are used with the next check.',
    ),
  });
