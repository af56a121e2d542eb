/** A password's argon2id hash in the PHC string format, with parameters that take some tens of milliseconds. */
export function hashPassword(password: string): Promise<string> {
  return Bun.password.hash(password, { algorithm: 'argon2id', memoryCost: 65_536, timeCost: 2 });
}

/** Whether a password matches a hash, which carries its own parameters. */
export function verifyPassword(password: string, hash: string): Promise<boolean> {
  return Bun.password.verify(password, hash);
}
