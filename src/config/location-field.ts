import { objectLocation } from '../platform/object-storage/object-location.ts';
import { ObjectStorageError } from '../platform/object-storage/object-storage.ts';
import { text } from './fields.ts';

/** @returns null for a folder or a bucket */
export function locationFault(location: string): string | null {
  try {
    objectLocation(location);
    return null;
  } catch (error) {
    if (error instanceof ObjectStorageError) return error.message;
    throw error;
  }
}

/** A folder, or `s3://bucket/prefix`. */
export const storageLocation = (longest: number) =>
  text(longest).superRefine((value, context) => {
    const fault = locationFault(value);
    if (fault !== null) context.addIssue({ code: 'custom', message: fault });
  });
