/** OWASP's minimum for argon2id: 19 MiB, two passes, one lane. A hash takes some tens of milliseconds. */
const PARAMETERS = { memoryCost: 19_456, timeCost: 2 };
const CURRENT = `$argon2id$v=19$m=${PARAMETERS.memoryCost},t=${PARAMETERS.timeCost},p=1$`;

/** @returns a password's argon2id hash in the PHC string format */
export function hashPassword(password: string): Promise<string> {
  return Bun.password.hash(password, { algorithm: 'argon2id', ...PARAMETERS });
}

/** @returns whether a password matches a hash, which carries its own parameters */
export function verifyPassword(password: string, hash: string): Promise<boolean> {
  return Bun.password.verify(password, hash);
}

/** @returns false for a hash with other parameters than new hashes have */
export function hasCurrentParameters(hash: string): boolean {
  return hash.startsWith(CURRENT);
}
