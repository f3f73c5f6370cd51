import { useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { LogOut, Monitor, Moon, Settings, Sun } from 'lucide-react';
import { useState, type ReactElement } from 'react';
import { api } from '../data/api.ts';
import { useAction } from '../data/actions.ts';
import { useSession } from '../data/use-session.ts';
import { Menu, MenuChoice, MenuItem, MenuLabel, MenuSeparator } from '../ui/menu.tsx';
import { chooseTheme, readTheme, type Theme } from '../ui/theme.ts';

export default function AccountMenu({ trigger }: { trigger: ReactElement }) {
  const session = useSession();
  const client = useQueryClient();
  const navigate = useNavigate();
  const [theme, setTheme] = useState<Theme>(readTheme);
  const signOut = useAction<undefined, 'signOut'>(
    () => api('signOut'),
    () => {
      void navigate({ to: '/signin' }).then(() => client.clear());
    },
  );
  return (
    <Menu trigger={trigger}>
      <MenuLabel>
        <span className="font-medium text-ink">{session.name}</span>, {session.role} of {session.fleet}
      </MenuLabel>
      <MenuSeparator />
      <MenuChoice
        label="Theme"
        value={theme}
        onChange={(next) => {
          chooseTheme(next);
          setTheme(next);
        }}
        options={[
          { value: 'system', label: 'System', icon: <Monitor aria-hidden /> },
          { value: 'light', label: 'Light', icon: <Sun aria-hidden /> },
          { value: 'dark', label: 'Dark', icon: <Moon aria-hidden /> },
        ]}
      />
      <MenuSeparator />
      <MenuItem icon={<Settings aria-hidden />} onSelect={() => void navigate({ to: '/settings' })}>
        Settings
      </MenuItem>
      <MenuItem icon={<LogOut aria-hidden />} onSelect={() => signOut.mutate(undefined)}>
        Sign out
      </MenuItem>
    </Menu>
  );
}
