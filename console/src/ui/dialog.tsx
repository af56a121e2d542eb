import { Dialog as Radix } from 'radix-ui';
import { type FormEvent, type ReactNode, useCallback, useRef, useState } from 'react';
import { DISCARD, DiscardedContext, isMarkedChanged, markChanged, useAsk } from '../lib/unsaved.tsx';
import { Button } from './button.tsx';
import { classes } from './classes.ts';
import { ErrorPanel } from './feedback.tsx';
import { TextField } from './field.tsx';

interface DialogProps {
  readonly isOpen: boolean;
  readonly onClose: () => void;
  readonly title: string;
  readonly description?: ReactNode;
  /** For tables of values. */
  readonly isWide?: boolean;
  readonly children: ReactNode;
}

const OVERLAY = 'fixed inset-0 z-30 bg-black/40';

function Head({ title, description }: Pick<DialogProps, 'title' | 'description'>) {
  return (
    <div className="flex items-start gap-3 mb-3">
      <div className="grow min-w-0">
        <Radix.Title className="text-[15px] font-semibold break-words">{title}</Radix.Title>
        <Radix.Description className={description ? 'text-muted mt-0.5' : 'sr-only'}>
          {description ?? title}
        </Radix.Description>
      </div>
      <Radix.Close asChild>
        <Button variant="quiet" aria-label="Close">
          ✕
        </Button>
      </Radix.Close>
    </div>
  );
}

const FIELDS = 'input:not([type=hidden]):not(:disabled), select:not(:disabled), textarea:not(:disabled)';

/**
 * The window of a dialog. The keyboard begins at its first field, and returns to where it was. What was typed into its forms
 * is not lost without a question.
 */
function Window({
  onClose,
  title,
  description,
  className,
  children,
}: Omit<DialogProps, 'isOpen' | 'isWide'> & { readonly className: string }) {
  const ask = useAsk();
  const content = useRef<HTMLDivElement>(null);
  const opener = useRef<Element>(null);
  const isDiscarded = useRef(false);
  const readDiscarded = useCallback(() => isDiscarded.current, []);
  const close = async () => {
    const isChanged = content.current !== null && isMarkedChanged(content.current);
    if (isChanged && !(await ask(DISCARD))) return;
    isDiscarded.current = isChanged;
    onClose();
  };
  // Events of dialogs that are opened from this one arrive here, too; they are elsewhere in the document.
  const onChange = ({ target }: FormEvent) => {
    const own = content.current;
    if (own && target instanceof Element && own.contains(target) && target.closest('form')) markChanged(own);
  };
  return (
    <Radix.Root open onOpenChange={(isOpen) => !isOpen && void close()}>
      <Radix.Portal>
        <Radix.Overlay className={OVERLAY} />
        <Radix.Content
          ref={content}
          className={className}
          onChange={onChange}
          onOpenAutoFocus={(event) => {
            opener.current = document.activeElement;
            const field = content.current?.querySelector<HTMLElement>(FIELDS);
            if (!field) return;
            event.preventDefault();
            field.focus();
          }}
          onCloseAutoFocus={(event) => {
            event.preventDefault();
            const { current } = opener;
            // What opened it may be gone, such as the row of something that was removed.
            const isThere = current?.isConnected === true && current !== document.body;
            const next = isThere ? current : document.querySelector('h1');
            if (next instanceof HTMLElement) next.focus();
          }}
        >
          <Head {...{ title, description }} />
          <DiscardedContext value={readDiscarded}>{children}</DiscardedContext>
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

/** A dialog in the middle of the page. */
export function Dialog({ isOpen, isWide = false, ...rest }: DialogProps) {
  if (!isOpen) return null;
  return (
    <Window
      className={classes(
        'fixed z-30 left-1/2 top-[8vh] -translate-x-1/2 max-h-[84vh] overflow-auto',
        'rounded border border-line bg-panel p-4',
        isWide ? 'w-[min(52rem,calc(100vw-1.5rem))]' : 'w-[min(36rem,calc(100vw-1.5rem))]',
      )}
      {...rest}
    />
  );
}

/** One item, from the right; the page stays behind it. Its URL is the caller's to keep. */
export function Drawer({ isOpen, ...rest }: DialogProps) {
  if (!isOpen) return null;
  return (
    <Window
      className="fixed z-30 right-0 top-0 h-dvh w-[min(52rem,100vw)] overflow-auto border-l border-line bg-bg p-4"
      {...rest}
    />
  );
}

/** Asks before something is lost: says what, and wants the name typed. */
export function ConfirmDialog({
  isOpen,
  onClose,
  title,
  lost,
  name,
  action,
  isDanger = true,
  onConfirm,
  isWide = false,
}: {
  readonly isOpen: boolean;
  readonly isWide?: boolean;
  readonly onClose: () => void;
  readonly title: string;
  /** What will be lost, in numbers. */
  readonly lost: ReactNode;
  /** To be typed. Nothing is to be typed when absent. */
  readonly name?: string;
  /** The word on the button. */
  readonly action: string;
  /** False where nothing is lost. */
  readonly isDanger?: boolean;
  readonly onConfirm: () => Promise<void>;
}) {
  const [typed, setTyped] = useState('');
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const close = () => {
    setTyped('');
    setError(undefined);
    onClose();
  };
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    // The form around the dialog is not to be sent.
    event.stopPropagation();
    if (isBusy) return;
    setBusy(true);
    setError(undefined);
    try {
      await onConfirm();
      close();
    } catch (thrown) {
      setError(thrown);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog isOpen={isOpen} isWide={isWide} onClose={close} title={title}>
      <form onSubmit={submit} className="flex flex-col gap-3">
        <div>{lost}</div>
        {name !== undefined && (
          <TextField
            label={`Type ${name} to confirm`}
            value={typed}
            onChange={(event) => setTyped(event.target.value)}
            autoComplete="off"
            spellCheck={false}
          />
        )}
        {error !== undefined && <ErrorPanel what={`${action} failed`} error={error} />}
        <div className="flex justify-end gap-2">
          <Button onClick={close}>Cancel</Button>
          <Button
            type="submit"
            variant={isDanger ? 'danger' : 'primary'}
            isBusy={isBusy}
            disabled={name !== undefined && typed !== name}
          >
            {action}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
