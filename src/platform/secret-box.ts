import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

/** Encrypts values for the database with AES-256-GCM, under a key derived from the installation's secret. */
export class SecretBox {
  readonly #key: Uint8Array;

  constructor(secret: string, purpose: string) {
    this.#key = new Uint8Array(hkdfSync('sha256', secret, '', `weir ${purpose}`, 32));
  }

  seal(text: string): string {
    return this.sealBytes(Buffer.from(text)).toString('base64');
  }

  /** @throws Error when the value was sealed with another secret, or was changed */
  open(sealed: string): string {
    return this.openBytes(Buffer.from(sealed, 'base64')).toString('utf8');
  }

  sealBytes(bytes: Uint8Array): Buffer {
    const nonce = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce);
    const sealed = Buffer.concat([cipher.update(bytes), cipher.final()]);
    return Buffer.concat([nonce, cipher.getAuthTag(), sealed]);
  }

  /** @throws Error when the value was sealed with another secret, or was changed */
  openBytes(bytes: Uint8Array): Buffer {
    const decipher = createDecipheriv('aes-256-gcm', this.#key, bytes.subarray(0, 12));
    decipher.setAuthTag(bytes.subarray(12, 28));
    return Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]);
  }
}
