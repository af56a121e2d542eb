const MAX_LENGTH = 64;

/** FNV-1a hash, to distinguish shortened ids. */
function fingerprint(text: string): string {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, '0');
}

/** Shortens ids of other providers that are longer than the API accepts. Equal ids give equal results. */
export function callId(id: string): string {
  return id.length <= MAX_LENGTH ? id : `${id.slice(0, MAX_LENGTH - 9)}_${fingerprint(id)}`;
}
