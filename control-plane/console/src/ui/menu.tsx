import { Menu as Base } from '@base-ui/react/menu';
import type { ReactElement, ReactNode } from 'react';
import { cn } from './cn.ts';
import { popupLayer } from './popup-layer.ts';

/** Rendered once its button was pressed, see MenuButton: so it begins open. */
export function Menu({ trigger, children, align = 'end' }: { trigger: ReactElement; children: ReactNode; align?: 'start' | 'end' }) {
  return (
    <Base.Root defaultOpen>
      <Base.Trigger render={trigger} />
      <Base.Portal container={popupLayer()}>
        <Base.Positioner sideOffset={6} align={align} className="z-40 outline-none">
          <Base.Popup className="pop min-w-52 rounded-lg bg-raised p-1 shadow-float outline-none">{children}</Base.Popup>
        </Base.Positioner>
      </Base.Portal>
    </Base.Root>
  );
}

const itemClass =
  'flex cursor-default items-center gap-2.5 rounded-sm px-2.5 py-1.5 text-sm outline-none select-none data-disabled:opacity-50 data-highlighted:bg-hover';

export function MenuItem({
  icon,
  children,
  note,
  onSelect,
  disabled = false,
  danger = false,
}: {
  icon?: ReactNode;
  children: ReactNode;
  note?: string;
  onSelect: () => void;
  disabled?: boolean;
  danger?: boolean;
}) {
  return (
    <Base.Item disabled={disabled} onClick={onSelect} className={cn(itemClass, danger && 'text-bad')}>
      <span className="text-ink-3 [&>svg]:size-4">{icon}</span>
      <span className="flex min-w-0 flex-col">
        <span>{children}</span>
        {note !== undefined && <span className="text-xs text-ink-3">{note}</span>}
      </span>
    </Base.Item>
  );
}

export function MenuChoice<Value extends string>({
  label,
  value,
  onChange,
  options,
}: {
  label: string;
  value: Value;
  onChange: (value: Value) => void;
  options: readonly { value: Value; label: string; icon: ReactNode }[];
}) {
  return (
    <Base.Group>
      <Base.GroupLabel className="eyebrow px-2.5 pt-1.5 pb-1">{label}</Base.GroupLabel>
      <Base.RadioGroup value={value} onValueChange={(next: Value) => onChange(next)}>
        {options.map((option) => (
          <Base.RadioItem key={option.value} value={option.value} closeOnClick className={itemClass}>
            <span className="text-ink-3 [&>svg]:size-4">{option.icon}</span>
            <span className="flex-1">{option.label}</span>
            <Base.RadioItemIndicator className="text-ink">✓</Base.RadioItemIndicator>
          </Base.RadioItem>
        ))}
      </Base.RadioGroup>
    </Base.Group>
  );
}

export function MenuLabel({ children }: { children: ReactNode }) {
  return <div className="px-2.5 py-1.5 text-xs text-ink-3">{children}</div>;
}

export function MenuSeparator() {
  return <Base.Separator className="my-1 h-px bg-line" />;
}
