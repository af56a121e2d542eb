import { expect, test } from 'bun:test';
import { seeded } from '../../core/random.ts';
import { SocketGroup } from './socket-group.ts';

/** As the kernel numbers sockets. */
class Kernel {
  readonly sockets: string[] = [];

  close(socket: string): void {
    const at = this.sockets.indexOf(socket);
    const last = this.sockets.pop();
    if (last !== undefined && last !== socket) this.sockets[at] = last;
  }

  /** Which sockets a program that returns these numbers selects. */
  selected(numbers: readonly number[]): Set<string> {
    return new Set(
      numbers.flatMap((number) => {
        const socket = this.sockets[number];
        // A number that no socket has selects any of them.
        return socket === undefined ? this.sockets : [socket];
      }),
    );
  }
}

test('a socket that is about to close is never selected, before and after', () => {
  const random = seeded(7);
  for (let round = 0; round < 500; round += 1) {
    const kernel = new Kernel();
    const group = new SocketGroup<string>();
    for (let at = 0; at < 2 + Math.floor(random() * 5); at += 1) {
      kernel.sockets.push(`s${at}`);
      group.add(`s${at}`);
    }
    while (kernel.sockets.length > 1) {
      const leaving = kernel.sockets[Math.floor(random() * kernel.sockets.length)] ?? '';
      const numbers = group.others(leaving);
      expect(numbers.length).toBeGreaterThan(0);
      expect(kernel.selected(numbers).has(leaving)).toBe(false);
      kernel.close(leaving);
      group.remove(leaving);
      const others = new Set(kernel.sockets);
      expect([...kernel.selected(numbers)].every((socket) => others.has(socket))).toBe(true);
      expect(group.size).toBe(kernel.sockets.length);
    }
  }
});

test('a process that never listened is not removed in place of another one', () => {
  const group = new SocketGroup<string>();
  group.add('a');
  group.add('b');
  group.remove('c');
  expect(group.size).toBe(2);
  expect(group.others('a')).toEqual([1]);
});
