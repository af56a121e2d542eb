import { GatewayError } from '../core/errors.ts';
import { MissingRateError } from './currency.ts';
import { MissingTaxClassError } from './tax.ts';

/** @returns the error for clients, where a setting is missing; others unchanged */
export function billingError(error: unknown): unknown {
  if (error instanceof MissingRateError || error instanceof MissingTaxClassError) {
    return new GatewayError('conflict', error.message, { cause: error });
  }
  return error;
}
