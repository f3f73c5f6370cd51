import { Bug, FileWarning, Lightbulb, LightbulbOff, Signature } from 'lucide-react';
import { useNavigate } from '@tanstack/react-router';
import type { ReactElement } from 'react';
import type { RequestOf } from '@serin/protocol/api/routes';
import { api } from '../data/api.ts';
import { rememberRollout, useAction } from '../data/actions.ts';
import { Menu, MenuItem, MenuLabel, MenuSeparator } from '../ui/menu.tsx';
import { showDone } from '../ui/toasts.ts';

type Light = RequestOf<'demoLight'>['body'];
type Kind = RequestOf<'demoPublish'>['body']['kind'];

const dim: Light = { level: 0.3, warmth: 0.8 };
const usual: Light = { level: 1, warmth: 0 };

export default function DemoMenu({ trigger }: { trigger: ReactElement }) {
  const navigate = useNavigate();
  const light = useAction<Light, 'demoLight'>((body) => api('demoLight', { body }));
  const publish = useAction<Kind, 'demoPublish'>(
    (kind) => api('demoPublish', { body: { kind } }),
    (rollout, client) => {
      rememberRollout(rollout, client);
      void navigate({ to: '/rollouts/$id', params: { id: rollout.id } });
    },
  );
  const change = (body: Light, words: string): void => light.mutate(body, { onSuccess: () => showDone(words, 'Devices report it within a few windows.') });
  return (
    <Menu trigger={trigger}>
      <MenuLabel>The light in the hall</MenuLabel>
      <MenuItem icon={<LightbulbOff aria-hidden />} onSelect={() => change(dim, 'The light was dimmed')}>
        Dim the light
      </MenuItem>
      <MenuItem icon={<Lightbulb aria-hidden />} onSelect={() => change(usual, 'The light is back')}>
        Restore the light
      </MenuItem>
      <MenuSeparator />
      <MenuLabel>Publish a version that is</MenuLabel>
      <MenuItem icon={<Bug aria-hidden />} note="The canary should throw it back" onSelect={() => publish.mutate('misbehaving')}>
        Misbehaving
      </MenuItem>
      <MenuItem icon={<FileWarning aria-hidden />} note="Its digest does not match" onSelect={() => publish.mutate('corrupted')}>
        Corrupted
      </MenuItem>
      <MenuItem icon={<Signature aria-hidden />} note="Signed by a key nobody trusts" onSelect={() => publish.mutate('wrong-signature')}>
        Wrongly signed
      </MenuItem>
    </Menu>
  );
}
