import { cloneElement, lazy, Suspense, useEffect, useId, useState, type FocusEvent, type PointerEvent, type ReactElement, type ReactNode } from 'react';

const TooltipPopup = lazy(() => import('./tooltip-popup.tsx').then(({ TooltipPopup: popup }) => ({ default: popup })));

const delayMs = 350;

interface TriggerProps {
  'aria-describedby'?: string | undefined;
  onPointerEnter?: (event: PointerEvent<HTMLElement>) => void;
  onPointerLeave?: () => void;
  onFocus?: (event: FocusEvent<HTMLElement>) => void;
  onBlur?: () => void;
  onKeyDown?: (event: { key: string }) => void;
}

/** The popup and its library are fetched when somebody first points at something that has one. */
export function Tooltip({
  text,
  children,
  side = 'top',
}: {
  text: ReactNode;
  children: ReactElement<TriggerProps>;
  side?: 'top' | 'bottom' | 'left' | 'right';
}) {
  const [anchor, setAnchor] = useState<HTMLElement | null>(null);
  const [pointed, setPointed] = useState<HTMLElement | null>(null);
  const id = useId();
  useEffect(() => {
    if (pointed === null) return undefined;
    const timer = setTimeout(() => setAnchor(pointed), delayMs);
    return () => clearTimeout(timer);
  }, [pointed]);
  const hide = (): void => {
    setPointed(null);
    setAnchor(null);
  };
  return (
    <>
      {cloneElement(children, {
        'aria-describedby': anchor === null ? children.props['aria-describedby'] : id,
        onPointerEnter: (event) => {
          children.props.onPointerEnter?.(event);
          if (event.pointerType === 'mouse') setPointed(event.currentTarget);
        },
        onPointerLeave: () => {
          children.props.onPointerLeave?.();
          hide();
        },
        onFocus: (event) => {
          children.props.onFocus?.(event);
          if (event.currentTarget.matches(':focus-visible')) setAnchor(event.currentTarget);
        },
        onBlur: () => {
          children.props.onBlur?.();
          hide();
        },
        onKeyDown: (event) => {
          children.props.onKeyDown?.(event);
          if (event.key === 'Escape' || event.key === 'Enter' || event.key === ' ') hide();
        },
      })}
      {anchor !== null && (
        <Suspense fallback={null}>
          <TooltipPopup id={id} anchor={anchor} text={text} side={side} />
        </Suspense>
      )}
    </>
  );
}
