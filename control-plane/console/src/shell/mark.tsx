import { cn } from '../ui/cn.ts';

export function Mark({ className }: { className?: string }) {
  return (
    <svg viewBox="0 0 32 32" aria-hidden className={cn('shrink-0', className)}>
      <rect width="32" height="32" rx="8" fill="oklch(0.22 0.006 260)" />
      <path
        d="M6 20.500c5.200 0 7-1.800 8.600-5.200C16.300 11.600 18.500 9 22 9c2 0 3.500.9 4.300 2.300L29 12.300l-2.400 1.500c0 6.400-4.300 10.700-10.700 10.700C11.500 24.500 8 23.200 6 20.500Z"
        fill="oklch(0.875 0.155 98)"
      />
      <circle cx="22.300" cy="12.600" r="1.200" fill="oklch(0.22 0.006 260)" />
    </svg>
  );
}
