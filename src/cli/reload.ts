import { runningGateway } from '../app/data-folder.ts';
import type { Config } from '../config/schema.ts';
import { CommandError, type Output } from './output.ts';

/**
 * Lets the gateway of this data folder read its configuration again, and replace its workers.
 * @throws CommandError when none runs, or it belongs to another user
 */
export function reloadCommand(config: Config, output: Output): void {
  const running = runningGateway(config);
  if (running?.pid === undefined) {
    throw new CommandError('No gateway uses this data folder. Set WEIR_DATA_DIR to the one of the gateway.');
  }
  try {
    process.kill(running.pid, 'SIGHUP');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CommandError(`Process ${running.pid} cannot be signalled: ${reason}. Run this as its user.`);
  }
  output.out(
    `Process ${running.pid} reloads its configuration${config.server.workers === null ? '' : ' and replaces its workers'}. Its log has the result.`,
  );
}
