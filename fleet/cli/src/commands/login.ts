import { createApiClient } from '@serin/protocol/api/client';
import { commonArgs, createOutput, readUrl, type Leaf } from '../command.ts';
import { exitCodes, UsageError } from '../exit-codes.ts';
import { profileFile, removeProfile, writeProfile } from '../profile.ts';

const tokenBytesMax = 4096;

export const login: Leaf = {
  description: 'Remember a server and a token for it; the token comes from SERIN_TOKEN or from standard input, never from a flag',
  args: commonArgs,
  async act({ url }, world, output) {
    const address = typeof url === 'string' ? url : world.env.SERIN_URL;
    if (address === undefined || address === '') throw new UsageError('missing --url');
    const baseUrl = readUrl(address, typeof url === 'string' ? '--url' : 'SERIN_URL');
    const token = (world.env.SERIN_TOKEN || (await world.readSecret(`Token for ${baseUrl}: `))).trim();
    if (!/^[\x21-\x7e]+$/.test(token) || token.length > tokenBytesMax)
      throw new UsageError('no token: set SERIN_TOKEN or give it on standard input; the console makes one under Settings');
    const session = await createApiClient({ baseUrl, fetch: world.fetch, token })('getSession');
    const file = await writeProfile(world.env, { url: baseUrl, token });
    const { showOne, say } = createOutput(world, output);
    showOne({ url: baseUrl, name: session.name, role: session.role, fleet: session.fleet }, (item) => Object.entries(item));
    say(`Signed in; kept in ${file}`);
    return exitCodes.ok;
  },
};

export const logout: Leaf = {
  description: 'Forget the server and the token',
  args: commonArgs,
  async act(_, world) {
    const existed = await removeProfile(world.env);
    world.err(existed ? `Signed out; ${profileFile(world.env)} is gone. The token is valid until it is revoked in the console.\n` : 'Nobody was signed in.\n');
    return exitCodes.ok;
  },
};
