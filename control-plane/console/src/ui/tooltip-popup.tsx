import { Tooltip as Base } from '@base-ui/react/tooltip';
import type { ReactNode } from 'react';
import { popupLayer } from './popup-layer.ts';

export function TooltipPopup({ id, anchor, text, side }: { id: string; anchor: HTMLElement; text: ReactNode; side: 'top' | 'bottom' | 'left' | 'right' }) {
  return (
    <Base.Root open>
      <Base.Portal container={popupLayer()}>
        <Base.Positioner anchor={anchor} side={side} sideOffset={6} className="pointer-events-none z-50">
          <Base.Popup id={id} role="tooltip" className="pop max-w-72 rounded-md bg-raised px-2.5 py-1.5 text-xs text-ink shadow-float">
            {text}
          </Base.Popup>
        </Base.Positioner>
      </Base.Portal>
    </Base.Root>
  );
}
