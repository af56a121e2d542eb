import { userInfo } from 'node:os';
import type { ChangeContext } from '../tenancy/change-context.ts';

/** The name of the user of this system who runs the command; with `sudo`, of the one who called it. */
function userName(): string {
  const caller = process.env.SUDO_USER;
  if (caller) return caller;
  try {
    return userInfo().username;
  } catch {
    // The user has no entry in the system's list, as in some containers.
    return `user ${process.getuid?.() ?? ''}`.trim();
  }
}

/** The user of the command line, who has access to the databases anyway. */
export const BY_OPERATOR: ChangeContext = {
  actor: {
    ...{ id: 'operator', name: `${userName()} (weir command)`, platform: true, member: undefined },
    roles: new Map(),
  },
  address: '',
  requestId: '',
};
