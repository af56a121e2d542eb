/** As the issuer of `oidc.ts` knows the gateway. */
export const TEST_CLIENT = { id: 'weir', secret: 'a-secret-for-tests-0123456789' };
