import type { Socket } from 'node:net';
import { ByteReader } from './byte-reader.ts';
import { toBytes } from './bytes.ts';
import type { ConnectionClosed } from './recorded-request.ts';
import type { WireScript } from './scripts.ts';

function errorCode(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message;
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** One accepted connection: what arrives, what is written, and who ended it. */
export class MockConnection {
  readonly reader = new ByteReader();
  readonly closed: Promise<ConnectionClosed>;
  private endedByUs = false;
  private over = false;

  constructor(
    readonly id: number,
    private readonly socket: Socket,
  ) {
    socket.setNoDelay(true);
    this.closed = new Promise((resolve) => {
      const ended = (error?: string) => {
        if (this.over) return;
        this.over = true;
        this.reader.end();
        resolve({
          atMs: performance.now(),
          by: this.endedByUs ? 'upstream' : 'client',
          ...(error !== undefined && { error }),
        });
        socket.destroy();
      };
      socket.on('data', (bytes) => this.reader.push(toBytes(bytes)));
      socket.on('error', (error) => ended(errorCode(error)));
      socket.on('end', () => ended());
      socket.on('close', () => ended());
    });
  }

  /**
   * Writes a script's bytes and ends the connection as scripted. Resolves with false as soon as the connection
   * is over before the script is.
   */
  async play(wire: WireScript, pieceSent: () => void): Promise<boolean> {
    const { gate } = wire;
    const permit = () => (gate === undefined ? undefined : Promise.race([gate.pass(), this.closed]));
    for (const write of wire.writes) {
      if (write.gated) await permit();
      if (!(await this.write(write.bytes))) return false;
      if (write.isPiece) pieceSent();
      await nextTurn();
    }
    if (wire.endIsGated) await permit();
    if (wire.trailer !== undefined && !(await this.write(wire.trailer))) return false;
    if (wire.ending === 'hang') await this.closed;
    if (this.over) return false;
    if (wire.ending === 'close' || wire.ending === 'reset') this.end(wire.ending);
    return true;
  }

  /** Ends the connection: `close` after what is written has gone out, `reset` and `destroy` at once. */
  end(how: 'close' | 'reset' | 'destroy'): void {
    if (this.over) return;
    this.endedByUs = true;
    if (how === 'close') this.socket.end();
    else if (how === 'reset') this.socket.resetAndDestroy();
    else this.socket.destroy();
  }

  /** Resolves when the socket takes more, so that a client that stops reading stops the script; false once over. */
  private async write(bytes: Uint8Array): Promise<boolean> {
    if (this.over) return false;
    if (this.socket.write(bytes)) return true;
    await new Promise<void>((resolve) => {
      this.socket.once('drain', resolve);
      void this.closed.then(() => {
        this.socket.off('drain', resolve);
        resolve();
      });
    });
    return !this.over;
  }
}
