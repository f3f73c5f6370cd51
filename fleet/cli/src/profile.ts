import { chmod, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { SerinError } from '@serin/protocol/errors';
import { z } from 'zod/mini';

/** Which server, and the token for it: what `serin login` remembers. */
const profileSchema = z.object({ url: z.string(), token: z.string() });
export type Profile = z.infer<typeof profileSchema>;

type Env = Readonly<Record<string, string | undefined>>;

export function profileFile(env: Env): string {
  const config = env.XDG_CONFIG_HOME || env.APPDATA || path.join(env.HOME || env.USERPROFILE || '.', '.config');
  return path.join(config, 'serin', 'profile.json');
}

export async function readProfile(env: Env): Promise<Profile | undefined> {
  const file = profileFile(env);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new SerinError('CONFIG_INVALID', { detail: `${file} is unreadable; it must be a file of this user`, cause });
  }
  try {
    return profileSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new SerinError('CONFIG_INVALID', {
      detail: `${file} is damaged; it must be the profile that \`serin login\` writes`,
      hint: 'Run `serin login` again',
      cause,
    });
  }
}

/** Readable by its owner alone, and never half written. */
export async function writeProfile(env: Env, profile: Profile): Promise<string> {
  const file = profileFile(env);
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  const temporary = `${file}.${process.pid}`;
  const handle = await open(temporary, 'w', 0o600);
  try {
    await handle.writeFile(`${JSON.stringify(profile)}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await chmod(temporary, 0o600);
  await rename(temporary, file);
  return file;
}

/** False where there was none. */
export async function removeProfile(env: Env): Promise<boolean> {
  try {
    await rm(profileFile(env));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
