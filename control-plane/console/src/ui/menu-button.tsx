import { cloneElement, Suspense, useState, type ComponentType, type ReactElement } from 'react';

interface TriggerProps {
  onClick?: () => void;
  onPointerEnter?: () => void;
  onFocus?: () => void;
  'aria-haspopup'?: 'menu';
  'aria-expanded'?: boolean;
}

interface MenuButtonProps {
  trigger: ReactElement<TriggerProps>;
  /** Fetches the menu: called when somebody comes near it. */
  preload: () => unknown;
  /** The whole menu, lazily: it renders the same trigger, and begins open. */
  menu: ComponentType<{ trigger: ReactElement }>;
}

/** A button whose menu, and the library behind it, are fetched when it is first needed. */
export function MenuButton({ trigger, preload, menu: Menu }: MenuButtonProps) {
  const [wanted, setWanted] = useState(false);
  const waiting = cloneElement(trigger, {
    'aria-haspopup': 'menu',
    'aria-expanded': false,
    onClick: () => setWanted(true),
    onPointerEnter: () => void preload(),
    onFocus: () => void preload(),
  });
  if (!wanted) return waiting;
  return (
    <Suspense fallback={waiting}>
      <Menu trigger={trigger} />
    </Suspense>
  );
}
