// Runs programs in a root file system, confined as container engines and systemd do.
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('./enter-root.sh', import.meta.url));

/**
 * The command that runs a program in a root: read-only but for its data folder and /tmp, without privileges.
 * @param {string} root
 * @param {string} data folder that is at /var/lib/weir
 * @param {string} user user and group, such as `1000:1000`
 * @param {string[]} program with its arguments
 * @returns {string[]} to be run as root
 */
export const inRoot = (root, data, user, program) => [
  ...['unshare', '--mount', '--pid', '--fork', '--kill-child'],
  ...['sh', SCRIPT, root, data, user, ...program],
];
