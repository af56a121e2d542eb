import type { ChangeContext } from '../tenancy/change-context.ts';

/** Whoever types commands on the machine itself: it has the databases in its hands anyway. */
export const BY_OPERATOR: ChangeContext = {
  actor: { id: 'operator', name: 'weir command', platform: true, roles: new Map(), member: undefined },
  address: '',
  requestId: '',
};
