import { Check, Copy } from 'lucide-react';
import { useEffect, useState } from 'react';
import { cn } from './cn.ts';

/** Something to paste elsewhere, whole. */
export function CopyLine({ text, label, wrap = false, className }: { text: string; label: string; wrap?: boolean; className?: string }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return undefined;
    const timer = setTimeout(() => setCopied(false), 2000);
    return () => clearTimeout(timer);
  }, [copied]);
  return (
    <div className={cn('flex max-w-full items-start gap-1 rounded-md border border-line bg-sunken py-1 pr-1 pl-3 text-left', className)}>
      <code className={cn('min-w-0 flex-1 py-1 font-mono text-xs text-ink', wrap ? 'break-all' : 'truncate')}>{text}</code>
      <button
        type="button"
        aria-label={copied ? `${label} copied` : `Copy ${label}`}
        onClick={() => void navigator.clipboard.writeText(text).then(() => setCopied(true))}
        className="inline-flex size-6.5 shrink-0 items-center justify-center rounded-sm text-ink-2 hover:bg-hover hover:text-ink"
      >
        {copied ? <Check className="size-3.5 text-ok" aria-hidden /> : <Copy className="size-3.5" aria-hidden />}
      </button>
    </div>
  );
}
