import { describe, expect, test } from 'bun:test';
import { asGatewayError, GatewayError } from './errors.ts';

describe('GatewayError', () => {
  test('takes status, type and code from its row, unless details say more', () => {
    expect(new GatewayError('upstream_error', 'm')).toMatchObject({
      status: 502,
      type: 'upstream_error',
      retryable: true,
      param: null,
      shownCode: 'upstream_error',
    });
    const details = { status: 422, type: 't', param: 'p', shownCode: 'c' };
    expect(new GatewayError('upstream_rejected', 'm', details)).toMatchObject({
      ...details,
      retryable: false,
    });
  });

  test('keeps what it knew when more is known', () => {
    const cause = new Error('inner');
    const error = new GatewayError('upstream_error', 'm', { provider: 'p', cause }).with({
      retryAfterSeconds: 3,
    });
    expect(error.details).toMatchObject({ provider: 'p', retryAfterSeconds: 3 });
    expect([error.code, error.message, error.cause]).toEqual(['upstream_error', 'm', cause]);
  });
});

describe('asGatewayError', () => {
  test('forwards its own', () => {
    const error = new GatewayError('not_found', 'm');
    expect(asGatewayError(error)).toBe(error);
  });

  test('says nothing of a defect', () => {
    for (const thrown of [new TypeError('secret detail'), 'secret detail', undefined]) {
      const error = asGatewayError(thrown);
      expect([error.code, error.status]).toEqual(['internal_error', 500]);
      expect(error.message).not.toContain('secret');
      expect(error.details.cause).toBe(thrown);
    }
  });
});
