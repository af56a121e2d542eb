import { useBlocker } from '@tanstack/react-router';
import { createContext, type ReactNode, useCallback, useContext, useMemo, useRef, useState } from 'react';
import { Button } from '../ui/button.tsx';
import { Dialog } from '../ui/dialog.tsx';

interface Question {
  readonly title: string;
  readonly text: string;
  /** The word on the button that goes on. */
  readonly action: string;
}

type Ask = (question: Question) => Promise<boolean>;

const AskContext = createContext<Ask>(() => Promise.resolve(true));

export const DISCARD: Question = {
  title: 'Discard your changes?',
  text: 'What you have typed is not stored yet.',
  action: 'Discard',
};

/** Asks questions of components below it, one at a time. */
export function AskProvider({ children }: { readonly children: ReactNode }) {
  const [asked, setAsked] = useState<Question & { readonly decide: (goesOn: boolean) => void }>();
  const ask = useCallback<Ask>(
    (question) => new Promise((resolve) => setAsked({ ...question, decide: resolve })),
    [],
  );
  const decide = (goesOn: boolean) => {
    asked?.decide(goesOn);
    setAsked(undefined);
  };
  return (
    <AskContext value={ask}>
      {children}
      {asked && (
        <Dialog isOpen onClose={() => decide(false)} title={asked.title} description={asked.text}>
          <div className="flex justify-end gap-2">
            <Button onClick={() => decide(false)}>Go back</Button>
            <Button variant="danger" onClick={() => decide(true)}>
              {asked.action}
            </Button>
          </div>
        </Dialog>
      )}
    </AskContext>
  );
}

export const useAsk = (): Ask => useContext(AskContext);

/** Says whether a dialog has asked already, and what was typed in it is to be lost. */
export const DiscardedContext = createContext<() => boolean>(() => false);

/** The window of a dialog records in the document that something was typed; forms know it only from there. */
export const markChanged = (dialog: Element): void => dialog.setAttribute('data-changed', '');
export const markSaved = (dialog: Element): void => dialog.removeAttribute('data-changed');
export const isMarkedChanged = (dialog: Element): boolean => dialog.hasAttribute('data-changed');

export interface Unsaved {
  readonly isChanged: boolean;
  touch(): void;
  /** To be called when what was typed is stored. */
  saved(): void;
}

/** Asks before the page is left, or another one opened, while something that was typed is not stored. */
export function useUnsaved(): Unsaved {
  const ask = useAsk();
  const isDiscarded = useContext(DiscardedContext);
  const current = useRef(false);
  const [isChanged, setChanged] = useState(false);
  const isAtRisk = useCallback(() => current.current && !isDiscarded(), [isDiscarded]);
  const shouldBlock = useCallback(async () => isAtRisk() && !(await ask(DISCARD)), [isAtRisk, ask]);
  useBlocker({ shouldBlockFn: shouldBlock, enableBeforeUnload: isAtRisk, disabled: !isChanged });
  return useMemo(
    () => ({
      isChanged,
      touch: () => {
        current.current = true;
        setChanged(true);
      },
      saved: () => {
        current.current = false;
        setChanged(false);
      },
    }),
    [isChanged],
  );
}
