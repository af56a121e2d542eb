import { expect, test } from 'bun:test';
import { startGuardedProgram } from './guarded-program.ts';

const env = { PATH: process.env.PATH ?? '' };

test('the program ends when it is stopped, and its end is reported once', async () => {
  const ends: string[] = [];
  const program = startGuardedProgram(
    ['sleep', '60'],
    { cwd: '/', env },
    { onExit: (how) => ends.push(how) },
  );
  await program.stop();
  expect(ends).toEqual([expect.stringMatching(/ended/)]);
});

test('the end of a program is reported with its output', async () => {
  const how = await new Promise<string>((resolve) => {
    startGuardedProgram(['sh', '-c', 'echo no memory >&2; exit 3'], { cwd: '/', env }, { onExit: resolve });
  });
  expect(how).toBe('ended with code 3: no memory');
});
