import type { ChangeContext } from '../tenancy/change-context.ts';

/** The user of the command line, who has access to the databases anyway. */
export const BY_OPERATOR: ChangeContext = {
  actor: { id: 'operator', name: 'weir command', platform: true, roles: new Map(), member: undefined },
  address: '',
  requestId: '',
};
