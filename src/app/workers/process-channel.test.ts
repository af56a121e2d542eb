import { expect, test } from 'bun:test';
import { ChannelClosedError, type Handlers, ProcessChannel } from './process-channel.ts';

type Left = { readonly double: { readonly input: number; readonly output: number } };
type Right = { readonly fail: { readonly input: string; readonly output: undefined } };

function connected(left: Handlers<Left>, right: Handlers<Right>) {
  const one: ProcessChannel<Right, Left> = new ProcessChannel((message) => two.received(message), left);
  const two: ProcessChannel<Left, Right> = new ProcessChannel((message) => one.received(message), right);
  return { one, two };
}

test('calls go both ways, and errors keep their name, message and code', async () => {
  const { one, two } = connected(
    { double: (input) => 2 * input },
    {
      fail: (input) => {
        throw Object.assign(new TypeError(input), { code: 'SQLITE_BUSY' });
      },
    },
  );
  expect(await Promise.all([two.call('double', 2), two.call('double', 3)])).toEqual([4, 6]);
  const error = await one.call('fail', 'no').catch((cause: unknown) => cause);
  expect(error).toMatchObject({ name: 'TypeError', message: 'no', code: 'SQLITE_BUSY' });
});

test('a call of a process that ends fails, and so does each later one', async () => {
  const { two } = connected({ double: () => new Promise(() => undefined) }, { fail: () => undefined });
  const waiting = two.call('double', 1);
  two.close('it has ended');
  expect(waiting).rejects.toBeInstanceOf(ChannelClosedError);
  expect(two.call('double', 1)).rejects.toThrow('it has ended');
});

test('a function that another version does not have is an error, and other messages are dropped', async () => {
  const { one, two } = connected({ double: (input) => input }, { fail: () => undefined });
  for (const message of [undefined, null, 'text', 3, {}, { type: 'other', id: 1 }]) one.received(message);
  const sent: unknown[] = [];
  const old = new ProcessChannel<Left, Right>((message) => sent.push(message), { fail: () => undefined });
  old.received({ type: 'call', id: 1, name: 'constructor', input: 1 });
  await Promise.resolve();
  expect(sent).toMatchObject([
    { type: 'error', id: 1, error: { message: expect.stringContaining('constructor') } },
  ]);
  expect(await two.call('double', 4)).toBe(4);
});
