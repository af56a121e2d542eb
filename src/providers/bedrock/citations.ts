import type { Citation } from '../../core/chat/request.ts';
import { asCount, asString, isRecord, type JsonObject, listOf } from '../../core/json.ts';

/** Units of a location in a document, by the member that holds it. */
const UNITS = { documentChar: 'char', documentPage: 'page', documentChunk: 'block' } as const;

/**
 * Reads a citation: of the web, or of a document of the request. Source:
 * https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Citation.html
 */
export function readConverseCitation(value: JsonObject): Citation {
  const title = asString(value.title);
  const at = isRecord(value.location) ? value.location : {};
  const url = isRecord(at.web) ? asString(at.web.url) : undefined;
  const citedText = listOf(value.sourceContent)
    .map((piece) => (isRecord(piece) ? (asString(piece.text) ?? '') : ''))
    .join('');
  return {
    ...(url === undefined ? {} : { url }),
    ...(title === undefined ? {} : { title }),
    ...(citedText === '' ? {} : { citedText }),
    ...documentLocation(at),
    raw: { dialect: 'bedrock-converse', value },
  };
}

function documentLocation(at: JsonObject): Pick<Citation, 'documentIndex' | 'location'> {
  for (const name of ['documentChar', 'documentPage', 'documentChunk'] as const) {
    const found = at[name];
    if (!isRecord(found)) continue;
    const documentIndex = asCount(found.documentIndex);
    const start = asCount(found.start);
    const end = asCount(found.end);
    return {
      ...(documentIndex === undefined ? {} : { documentIndex }),
      ...(start === undefined || end === undefined ? {} : { location: { unit: UNITS[name], start, end } }),
    };
  }
  return {};
}
