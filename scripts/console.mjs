// Builds the web console when its sources have changed since the last build. A released package contains the built one.
import { join } from 'node:path';
import { BuiltFolder } from './built-folder.mjs';
import { runtimeEnvironment } from './setup.mjs';

const built = new BuiltFolder('console', ['console/index.html', 'console/build.ts', 'console/src']);

/**
 * Builds the console if it is not current. A failure is printed, and leaves the gateway without a console.
 * @param bun path of the runtime
 * @returns whether a current console is there
 */
export const buildConsole = (bun) => built.build(bun, runtimeEnvironment(), join(built.folder, 'build.ts'));
