import { useLayoutEffect, useRef, useState, type RefObject } from 'react';

/** The drawn width of an element in whole pixels, so that lines and text are never stretched. */
export function useWidth<Target extends HTMLElement>(): [RefObject<Target | null>, number] {
  const ref = useRef<Target>(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const target = ref.current;
    if (target === null) return undefined;
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry?.contentRect.width ?? 0)));
    observer.observe(target);
    setWidth(Math.floor(target.getBoundingClientRect().width));
    return () => observer.disconnect();
  }, []);
  return [ref, width];
}
