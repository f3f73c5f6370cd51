import { Dialog as Base } from '@base-ui/react/dialog';
import { X } from 'lucide-react';
import type { ReactNode, RefObject } from 'react';
import { cn } from './cn.ts';

interface DialogProps {
  open: boolean;
  onClose: () => void;
  title: ReactNode;
  description?: ReactNode;
  children: ReactNode;
  initialFocus?: RefObject<HTMLElement | null>;
}

const closeClass = 'absolute top-3 right-3 inline-flex size-8 items-center justify-center rounded-md text-ink-3 hover:bg-hover hover:text-ink';

function Backdrop() {
  return <Base.Backdrop className="fade fixed inset-0 z-30 bg-scrim" />;
}

export function Dialog({ open, onClose, title, description, children, initialFocus, wide = false }: DialogProps & { wide?: boolean }) {
  return (
    <Base.Root open={open} onOpenChange={(next) => !next && onClose()}>
      <Base.Portal>
        <Backdrop />
        <Base.Popup
          initialFocus={initialFocus}
          className={cn(
            'pop fixed top-[max(1rem,12vh)] left-1/2 z-40 flex max-h-[min(80vh,44rem)] w-[calc(100vw-2rem)] -translate-x-1/2 flex-col overflow-hidden rounded-xl bg-raised shadow-float outline-none',
            wide ? 'max-w-2xl' : 'max-w-md',
          )}
        >
          <div className="px-5 pt-4 pr-12">
            <Base.Title className="text-base font-semibold">{title}</Base.Title>
            {description !== undefined && <Base.Description className="mt-1 text-sm text-ink-2">{description}</Base.Description>}
          </div>
          {children}
          <Base.Close aria-label="Close" className={closeClass}>
            <X className="size-4" aria-hidden />
          </Base.Close>
        </Base.Popup>
      </Base.Portal>
    </Base.Root>
  );
}

export function DialogBody({ children, className }: { children: ReactNode; className?: string }) {
  return <div className={cn('min-h-0 overflow-y-auto px-5 py-4', className)}>{children}</div>;
}

export function DialogActions({ children }: { children: ReactNode }) {
  return <div className="flex flex-wrap justify-end gap-2 border-t border-line bg-sunken px-5 py-3">{children}</div>;
}

/** Slides in from the right and keeps the page behind it in place. */
export function Drawer({ open, onClose, title, description, children }: DialogProps) {
  return (
    <Base.Root open={open} onOpenChange={(next) => !next && onClose()}>
      <Base.Portal>
        <Backdrop />
        <Base.Popup className="slide-right fixed inset-y-0 right-0 z-40 flex w-full max-w-xl flex-col bg-raised shadow-float outline-none">
          {/* First in order, so that opening the drawer never lands on a button that does something. */}
          <Base.Close aria-label="Close" className={closeClass}>
            <X className="size-4" aria-hidden />
          </Base.Close>
          <div className="border-b border-line px-5 py-4 pr-14">
            <Base.Title className="text-base font-semibold">{title}</Base.Title>
            {description !== undefined && <Base.Description className="text-sm text-ink-3">{description}</Base.Description>}
          </div>
          <div className="min-h-0 flex-1 overflow-y-auto">{children}</div>
        </Base.Popup>
      </Base.Portal>
    </Base.Root>
  );
}
