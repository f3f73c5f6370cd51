import { CircleAlert, CircleCheck, X } from 'lucide-react';
import { useSyncExternalStore } from 'react';
import { dismissToast, toastStore } from './toasts.ts';

export function Toaster() {
  const toasts = useSyncExternalStore(toastStore.subscribe, toastStore.get);
  return (
    <div role="status" aria-live="polite" className="pointer-events-none fixed inset-x-4 bottom-20 z-50 flex flex-col items-end gap-2 sm:bottom-5">
      {toasts.map(({ id, tone, title, detail }) => (
        <div key={id} className="pointer-events-auto flex w-full max-w-sm items-start gap-2.5 rounded-lg bg-raised p-3 shadow-float">
          {tone === 'ok' ? (
            <CircleCheck className="mt-0.5 size-4 shrink-0 text-ok" aria-hidden />
          ) : (
            <CircleAlert className="mt-0.5 size-4 shrink-0 text-bad" aria-hidden />
          )}
          <div className="min-w-0 flex-1">
            <p className="text-sm font-medium">{title}</p>
            {detail !== null && <p className="text-xs break-words text-ink-2">{detail}</p>}
          </div>
          <button type="button" aria-label="Dismiss" onClick={() => dismissToast(id)} className="rounded-sm p-0.5 text-ink-3 hover:bg-hover hover:text-ink">
            <X className="size-3.5" aria-hidden />
          </button>
        </div>
      ))}
    </div>
  );
}
