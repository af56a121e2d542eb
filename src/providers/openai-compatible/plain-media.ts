import { asString, isRecord, type JsonObject } from '../../core/json.ts';

/**
 * Converts a content part to Mistral's form, in which audio and documents are texts instead of objects. Other parts are
 * equal in both.
 */
export function plainMediaPart(part: JsonObject): JsonObject {
  if (part.type === 'input_audio' && isRecord(part.input_audio)) {
    return { ...part, input_audio: part.input_audio.data };
  }
  if (part.type === 'file' && isRecord(part.file)) {
    const { file: _, ...others } = part;
    const { file_id: id, file_data: data, filename } = part.file;
    if (typeof id === 'string') return { ...others, file_id: id };
    const name = asString(filename);
    return {
      ...others,
      type: 'document_url',
      document_url: data,
      ...(name === undefined ? {} : { document_name: name }),
    };
  }
  return part;
}

/** @returns whether content has audio or documents in OpenAI's form */
export function hasWrappedMedia(content: unknown): boolean {
  return (
    Array.isArray(content) &&
    content.some((part) => isRecord(part) && (isRecord(part.input_audio) || isRecord(part.file)))
  );
}
