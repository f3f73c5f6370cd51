import { useState, type KeyboardEvent, type PointerEvent } from 'react';

export interface Cursor {
  /** The chosen point, by pointer or by arrow keys; null while nobody chooses. */
  at: number | null;
  /** For the element around the drawing: a slider, so that every reader knows how to move it. */
  props: {
    role: 'slider';
    tabIndex: 0;
    'aria-label': string;
    'aria-valuemin': number;
    'aria-valuemax': number;
    'aria-valuenow': number;
    'aria-valuetext': string;
    onPointerMove: (event: PointerEvent<HTMLElement>) => void;
    onPointerLeave: () => void;
    onBlur: () => void;
    onKeyDown: (event: KeyboardEvent<HTMLElement>) => void;
  };
}

const pageSteps = 10;

/** One point of a chart at a time: `nearest` finds it below the pointer, `words` says what is there. */
export function useCursor(label: string, count: number, nearest: (x: number, y: number) => number, words: (at: number) => string, rest = count - 1): Cursor {
  const [chosen, setChosen] = useState<number | null>(null);
  const at = chosen === null ? null : Math.min(chosen, count - 1);
  const here = Math.max(0, at ?? rest);
  return {
    at: count === 0 ? null : at,
    props: {
      role: 'slider',
      tabIndex: 0,
      'aria-label': `${label}: choose a point with the arrow keys`,
      'aria-valuemin': 0,
      'aria-valuemax': Math.max(0, count - 1),
      'aria-valuenow': here,
      'aria-valuetext': count === 0 ? 'no data' : words(here),
      onPointerMove: (event) => {
        const box = event.currentTarget.getBoundingClientRect();
        setChosen(nearest(event.clientX - box.left, event.clientY - box.top));
      },
      onPointerLeave: () => setChosen(null),
      onBlur: () => setChosen(null),
      onKeyDown: (event) => {
        const steps: Record<string, number> = {
          ArrowLeft: here - 1,
          ArrowRight: here + 1,
          ArrowDown: here - 1,
          ArrowUp: here + 1,
          Home: 0,
          End: count - 1,
          PageUp: here - pageSteps,
          PageDown: here + pageSteps,
        };
        const to = steps[event.key];
        if (to === undefined || count === 0) return;
        event.preventDefault();
        setChosen(Math.min(count - 1, Math.max(0, to)));
      },
    },
  };
}
