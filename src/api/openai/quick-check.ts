import { asCount, isRecord } from '../../core/json.ts';

function isMessage(value: unknown): boolean {
  if (!isRecord(value) || typeof value.role !== 'string' || value.role === '') return false;
  const { content } = value;
  if (typeof content === 'string' || content === null || content === undefined) return true;
  return Array.isArray(content) && content.every((part) => isRecord(part) && typeof part.type === 'string');
}

function isMember(name: string, value: unknown): boolean {
  switch (name) {
    case 'model':
      return typeof value === 'string' && value !== '' && value.length <= 400;
    case 'messages':
      return Array.isArray(value) && value.length > 0 && value.every(isMessage);
    case 'stream':
      return typeof value === 'boolean';
    case 'stream_options':
      return isRecord(value) && typeof value.include_usage === 'boolean';
    case 'temperature':
    case 'top_p':
      return typeof value === 'number';
    case 'max_tokens':
    case 'max_completion_tokens':
      return (asCount(value) ?? 0) > 0;
    default:
      return false;
  }
}

/**
 * Whether a chat request is so plain that its schema would surely accept it. False says nothing: then the schema
 * is asked, which takes ten times as long and is the one that explains faults.
 * @param known the names that the schema has rules for
 */
export function isPlainChat(body: Readonly<Record<string, unknown>>, known: ReadonlySet<string>): boolean {
  if (!('model' in body && 'messages' in body)) return false;
  for (const name in body) if (known.has(name) && !isMember(name, body[name])) return false;
  return true;
}
