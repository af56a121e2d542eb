import { asCount, asString, isRecord } from '../json.ts';
import type { Citation, WireFormat } from './request.ts';

/**
 * Reads a citation of a text block that names a URL or a document by its index, in the form of the Messages API.
 * @param dialect the format that the citation is kept in
 * @returns undefined for anything but an object
 */
export function readCitation(value: unknown, dialect: WireFormat): Citation | undefined {
  if (!isRecord(value)) return undefined;
  const url = asString(value.url);
  const title = asString(value.title) ?? asString(value.document_title);
  const citedText = asString(value.cited_text);
  const documentIndex = asCount(value.document_index);
  return {
    ...(url === undefined ? {} : { url }),
    ...(title === undefined ? {} : { title }),
    ...(citedText === undefined ? {} : { citedText }),
    ...(documentIndex === undefined ? {} : { documentIndex }),
    raw: { dialect, value },
  };
}
