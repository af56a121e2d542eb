import { z } from 'zod';
import { baseUrl, boolean, duration, fromNumericText, headers, nullable, section, text } from './fields.ts';

export const OTLP_PROTOCOLS = ['http/protobuf', 'http/json'] as const;
/** OpenTelemetry's names of samplers. */
export const TRACE_SAMPLERS = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const;

const number = (most?: number) =>
  z.preprocess(fromNumericText, most === undefined ? z.number().min(0) : z.number().min(0).max(most));

/** The section `tracing`. */
export const tracing = () =>
  section({
    endpoint: nullable(baseUrl()).describe(
      'The OpenTelemetry collector, such as `http://collector:4318`; `/v1/traces` is appended unless it is there. Without it, Weir neither records traces nor sends `traceparent`.',
    ),
    protocol: z.enum(OTLP_PROTOCOLS).prefault('http/protobuf').describe('How traces are encoded.'),
    headers: headers().describe('HTTP headers for the collector, such as a token.'),
    service_name: text(200).prefault('weir').describe('The name of this service in traces.'),
    sampler: z
      .enum(TRACE_SAMPLERS)
      .prefault('parentbased_always_on')
      .describe(
        'Which requests are traced, by OpenTelemetry’s names: `parentbased_...` follows the caller’s `traceparent`, if there is one.',
      ),
    ratio: number(1).prefault(1).describe('The part of requests that `traceidratio` traces.'),
    keep: section({
      errors: boolean().prefault(true).describe('Failed requests.'),
      slower_than: nullable(duration(1)).prefault('30s').describe('Requests that take longer.'),
      costlier_than: nullable(number()).describe('Requests that cost more US dollars.'),
    }).describe('Requests that are traced even where the sampler says no.'),
    propagate: boolean()
      .prefault(true)
      .describe('Sends `traceparent` to providers, so that engines continue the trace.'),
  });

export type TraceSampler = (typeof TRACE_SAMPLERS)[number];
export type OtlpProtocol = (typeof OTLP_PROTOCOLS)[number];
