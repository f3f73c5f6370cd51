import { SerinError } from '@serin/protocol/errors';

export interface Toast {
  id: number;
  tone: 'ok' | 'bad';
  title: string;
  detail: string | null;
}

const mostAtOnce = 3;
const shownMs = { ok: 4000, bad: 9000 } as const;

let toasts: readonly Toast[] = [];
let lastId = 0;
const listeners = new Set<() => void>();

function change(next: readonly Toast[]): void {
  toasts = next;
  for (const listener of listeners) listener();
}

export const toastStore = {
  get: (): readonly Toast[] => toasts,
  subscribe: (listener: () => void): (() => void) => {
    listeners.add(listener);
    return () => void listeners.delete(listener);
  },
};

export function dismissToast(id: number): void {
  change(toasts.filter((toast) => toast.id !== id));
}

function show(tone: Toast['tone'], title: string, detail: string | null): void {
  lastId += 1;
  const id = lastId;
  change([...toasts, { id, tone, title, detail }].slice(-mostAtOnce));
  setTimeout(() => dismissToast(id), shownMs[tone]);
}

export const showDone = (title: string, detail: string | null = null): void => show('ok', title, detail);

export interface ErrorWords {
  code: string;
  title: string;
  hint: string;
}

/** Any failure as code, sentence and what to do. */
export function errorWords(cause: unknown): ErrorWords {
  if (cause instanceof SerinError) return { code: cause.code, title: cause.message, hint: cause.hint };
  return { code: 'INTERNAL', title: 'Something went wrong in this page', hint: 'Reload it; what you had open is in the address' };
}

export function showError(cause: unknown): void {
  const { code, title, hint } = errorWords(cause);
  show('bad', title, `${hint} (${code})`);
}
