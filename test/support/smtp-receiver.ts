import { createServer, type Socket } from 'node:net';

/** A mail that arrived: its envelope, and its text with headers. */
export interface ReceivedMail {
  readonly from: string;
  readonly to: readonly string[];
  readonly data: string;
}

export interface SmtpReceiver {
  readonly port: number;
  readonly mails: readonly ReceivedMail[];
  /** Resolves when so many mails have arrived. */
  received(count: number): Promise<void>;
  /** Rejects so many mails from now on. */
  reject(count: number): void;
  close(): void;
}

/** A real SMTP server (RFC 5321) without TLS and authentication, on the loopback address. */
export async function startSmtpReceiver(): Promise<SmtpReceiver> {
  const mails: ReceivedMail[] = [];
  const sockets = new Set<Socket>();
  let rejections = 0;
  let waiting: { readonly count: number; readonly resolve: () => void }[] = [];
  const announce = () => {
    for (const one of waiting) if (mails.length >= one.count) one.resolve();
    waiting = waiting.filter(({ count }) => mails.length < count);
  };
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    let text = '';
    let from = '';
    let to: string[] = [];
    let data: string | undefined;
    const say = (line: string) => socket.write(`${line}\r\n`);
    say('220 loopback ESMTP');
    socket.on('data', (chunk) => {
      text += chunk.toString('utf8');
      for (let end = text.indexOf('\r\n'); end >= 0; end = text.indexOf('\r\n')) {
        const line = text.slice(0, end);
        text = text.slice(end + 2);
        if (data !== undefined) {
          if (line !== '.') {
            data += `${line.startsWith('..') ? line.slice(1) : line}\r\n`;
            continue;
          }
          if (rejections > 0) {
            rejections -= 1;
            say('451 try again later');
          } else {
            mails.push({ from, to, data });
            announce();
            say('250 accepted');
          }
          data = undefined;
          to = [];
          continue;
        }
        const [verb = ''] = line.toUpperCase().split(/[ :]/);
        if (verb === 'EHLO' || verb === 'HELO') say('250 loopback');
        else if (verb === 'MAIL') {
          from = line.slice(line.indexOf('<') + 1, line.indexOf('>'));
          say('250 ok');
        } else if (verb === 'RCPT') {
          to.push(line.slice(line.indexOf('<') + 1, line.indexOf('>')));
          say('250 ok');
        } else if (verb === 'DATA') {
          data = '';
          say('354 go on');
        } else if (verb === 'QUIT') {
          say('221 bye');
          socket.end();
        } else say('250 ok');
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('the server has no port');
  return {
    port: address.port,
    mails,
    received: (count) =>
      new Promise((resolve) => {
        waiting.push({ count, resolve });
        announce();
      }),
    reject: (count) => {
      rejections = count;
    },
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
