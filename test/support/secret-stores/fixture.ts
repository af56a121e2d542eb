import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SecretScheme } from '../../../src/config/secret-reference.ts';

/** What a store does with the next reads. */
export type StoreMode = 'works' | 'busy-once' | 'denied' | 'broken';

/** A secret store for tests, which speaks the API of a real one. */
export interface SecretStoreFixture {
  readonly scheme: SecretScheme;
  /** The section `secrets` of a configuration that uses it. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly env: Readonly<Record<string, string>>;
  /** Stores fields under a name; as a JSON object where the store keeps one text. */
  put(name: string, fields: Readonly<Record<string, string>>): void;
  /** The reference to a field of a secret. */
  reference(name: string, key: string): string;
  mode: StoreMode;
  /** Reads of secrets, without sign-ins. */
  readonly reads: number;
  /** Credentials that no message may contain. */
  readonly credentials: readonly string[];
  close(): void;
}

/** The part that all servers share: a port, a mode, a count, and the last requests. */
export class StoreServer {
  mode: StoreMode = 'works';
  reads = 0;
  readonly #server;

  constructor(
    respond: (request: Request, url: URL) => Response | Promise<Response>,
    tls?: { readonly cert: string; readonly key: string },
  ) {
    this.#server = Bun.serve({
      hostname: '127.0.0.1',
      port: 0,
      ...(tls === undefined ? {} : { tls }),
      fetch: (request) => respond(request, new URL(request.url)),
    });
  }

  get port(): number {
    return this.#server.port ?? 0;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Counts a read. @returns the response of a store that does not work */
  read(errors: { readonly busy: Response; readonly denied: Response }): Response | undefined {
    this.reads += 1;
    if (this.mode === 'busy-once') {
      this.mode = 'works';
      return errors.busy;
    }
    if (this.mode === 'denied') return errors.denied;
    return this.mode === 'broken' ? new Response('<html>bad gateway</html>', { status: 502 }) : undefined;
  }

  close(): void {
    void this.#server.stop(true);
  }
}

/** A folder that is deleted at the end. */
export function temporaryFolder(): { readonly path: string; readonly remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'weir-secrets-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
