import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/**
 * Selects which of the sockets that share a port get new connections, so that one of them can stop without losing any.
 *
 * The kernel numbers the sockets of a port in the order in which they began to listen; when one closes, the last one takes
 * its number. A classic BPF program on any of them selects the number for each new connection.
 * @see https://www.man7.org/linux/man-pages/man7/socket.7.html (SO_ATTACH_REUSEPORT_CBPF)
 */

const SOL_SOCKET = 1;
const SO_ATTACH_REUSEPORT_CBPF = 51;
const SO_DETACH_REUSEPORT_BPF = 68;

const LOAD_WORD = 0x20;
const MODULO = 0x94;
const JUMP_IF_EQUAL = 0x15;
const RETURN = 0x06;
/** `SKF_AD_OFF + SKF_AD_RANDOM`: a random number instead of a byte of the packet. */
const RANDOM = 0xffff_f038;
const INSTRUCTION_BYTES = 8;

type SetSocketOption = (fd: number, name: number, value: Uint8Array) => boolean;

/**
 * New connections to a port go to these sockets only.
 * @param port on which this process listens, and shares it
 * @param numbers of sockets, at least 1
 * @returns false where the system cannot do it
 */
export async function steerConnections(port: number, numbers: readonly number[]): Promise<boolean> {
  const { ptr } = await import('bun:ffi');
  const program = programFor(numbers);
  const header = new DataView(new ArrayBuffer(16));
  header.setUint16(0, program.byteLength / INSTRUCTION_BYTES, true);
  header.setBigUint64(8, BigInt(ptr(program)), true);
  return setOption(port, SO_ATTACH_REUSEPORT_CBPF, new Uint8Array(header.buffer));
}

/** New connections go to all sockets of the port again. @returns false where the system cannot do it */
export function spreadConnections(port: number): Promise<boolean> {
  return setOption(port, SO_DETACH_REUSEPORT_BPF, new Uint8Array(4));
}

/** @returns a program that selects one of some numbers at random */
function programFor(numbers: readonly number[]): Uint8Array {
  const instructions: (readonly [code: number, onTrue: number, onFalse: number, operand: number])[] = [
    [LOAD_WORD, 0, 0, RANDOM],
    [MODULO, 0, 0, numbers.length],
  ];
  for (const [index, number] of numbers.entries()) {
    instructions.push([JUMP_IF_EQUAL, 0, 1, index], [RETURN, 0, 0, number]);
  }
  // Never reached: each remainder has its case.
  instructions.push([RETURN, 0, 0, numbers[0] ?? 0]);
  const view = new DataView(new ArrayBuffer(instructions.length * INSTRUCTION_BYTES));
  for (const [at, [code, onTrue, onFalse, operand]] of instructions.entries()) {
    const start = at * INSTRUCTION_BYTES;
    view.setUint16(start, code, true);
    view.setUint8(start + 2, onTrue);
    view.setUint8(start + 3, onFalse);
    view.setUint32(start + 4, operand, true);
  }
  return new Uint8Array(view.buffer);
}

async function setOption(port: number, name: number, value: Uint8Array): Promise<boolean> {
  if (process.platform !== 'linux') return false;
  const fd = listeningDescriptor(port);
  if (fd === undefined) return false;
  return (await socketOptions())(fd, name, value);
}

async function socketOptions(): Promise<SetSocketOption> {
  const { dlopen, ptr } = await import('bun:ffi');
  const library = libraryNames().map((file) => {
    try {
      return dlopen(file, {
        setsockopt: { args: ['i32', 'i32', 'i32', 'ptr', 'u32'], returns: 'i32' },
      });
    } catch {
      // Another C library.
      return undefined;
    }
  });
  const found = library.find((one) => one !== undefined);
  return (fd, name, value) =>
    found?.symbols.setsockopt(fd, SOL_SOCKET, name, ptr(value), value.byteLength) === 0;
}

/** The C libraries of glibc and musl. */
function libraryNames(): readonly string[] {
  const machine = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
  return ['libc.so.6', `libc.musl-${machine}.so.1`];
}

const LISTENING = '0A';

/** @returns the file descriptor of this process that listens on a port */
function listeningDescriptor(port: number): number | undefined {
  const inodes = new Set(
    ['/proc/self/net/tcp', '/proc/self/net/tcp6'].flatMap((file) => inodesIn(file, port)),
  );
  for (const name of readdirSync('/proc/self/fd')) {
    const inode = /^socket:\[(\d+)\]$/.exec(linkOf(name))?.[1];
    if (inode !== undefined && inodes.has(inode)) return Number(name);
  }
  return undefined;
}

/** @returns the inodes of sockets that listen on a port, those of other processes included */
function inodesIn(file: string, port: number): string[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  let text: string;
  try {
    text = readFileSync(file, 'latin1');
  } catch {
    // No IPv6.
    return [];
  }
  return text.split('\n').flatMap((line) => {
    const [, local = '', , state, , , , , , inode] = line.trim().split(/\s+/);
    return state === LISTENING && local.endsWith(suffix) && inode !== undefined ? [inode] : [];
  });
}

function linkOf(name: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${name}`);
  } catch {
    // The descriptor of the listing itself is closed by now.
    return '';
  }
}
