import { type ReactNode, useCallback, useRef, useState } from 'react';
import { ConflictDialog } from '../ui/conflict.tsx';
import { ApiError, api, type Reply } from './api.ts';
import { compare, type Document, type FieldDifference } from './merge.ts';

/** The caller left a dialog: nothing was stored, and nothing has failed. */
export class Cancelled extends Error {}

export interface SaveOptions<T> {
  readonly method: 'PATCH' | 'PUT';
  /** @returns the members that the editor changes, in the form of the request */
  readonly bodyOf: (object: T) => Document;
}

export interface Saving<T> {
  /**
   * Stores an object. When it has changed since it was read, asks which members to keep, and stores those.
   * @param base the object as it was when the editor opened; after a call, the one that is stored now takes its place
   * @returns the object as it is stored now
   * @throws ApiError, or Cancelled when the question is left
   */
  readonly save: (path: string, base: Reply<T>, mine: Document) => Promise<T>;
  /** The question, where there is one; to be rendered by the editor. */
  readonly dialog: ReactNode;
}

interface Question {
  readonly base: Document;
  readonly mine: Document;
  readonly theirs: Document;
  readonly differences: readonly FieldDifference[];
  readonly decide: (decision: Document | undefined) => void;
  readonly takeTheirs: () => void;
}

interface Known<T> {
  readonly path: string;
  readonly reply: Reply<T>;
}

/** Stores an object of the admin API, so that a change of another caller is never overwritten unseen. */
export function useSave<T>({ method, bodyOf }: SaveOptions<T>): Saving<T> {
  const known = useRef<Known<T>>(undefined);
  const [question, setQuestion] = useState<Question>();
  const save = useCallback(
    async (path: string, first: Reply<T>, wanted: Document): Promise<T> => {
      let base = known.current?.path === path ? known.current.reply : first;
      let mine = wanted;
      const keep = (reply: Reply<T>) => {
        base = reply;
        known.current = { path, reply };
      };
      for (;;) {
        try {
          const stored = await api.request<T>(method, path, { body: mine, ifMatch: base.etag });
          keep(stored);
          return stored.data;
        } catch (error) {
          if (!(error instanceof ApiError) || error.status !== 412) throw error;
        }
        const current = await api.request<T>('GET', path);
        const [before, theirs] = [bodyOf(base.data), bodyOf(current.data)];
        const differences = compare(before, mine, theirs);
        keep(current);
        // Another caller has stored the same.
        if (differences.length === 0) return current.data;
        // Only members that nobody else touched differ: there is nothing to ask.
        const decision = differences.every(({ changedBy }) => changedBy === 'mine')
          ? mine
          : await new Promise<Document | 'theirs' | undefined>((resolve) =>
              setQuestion({
                ...{ base: before, mine, theirs, differences, decide: resolve },
                takeTheirs: () => resolve('theirs'),
              }),
            );
        setQuestion(undefined);
        if (decision === 'theirs') return current.data;
        if (decision === undefined) throw new Cancelled();
        mine = decision;
      }
    },
    [method, bodyOf],
  );
  return { save, dialog: question && <ConflictDialog {...question} /> };
}
