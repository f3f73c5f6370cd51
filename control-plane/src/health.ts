/** Looks at one part; rejects or resolves false where it does not work. */
export type Probe = () => Promise<boolean>;

export interface Health {
  isReady: boolean;
  parts: Record<string, 'ok' | 'failing'>;
}

const probeLimitMs = 3_000;

async function check(probe: Probe): Promise<'ok' | 'failing'> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), probeLimitMs);
  });
  try {
    return (await Promise.race([probe(), late])) ? 'ok' : 'failing';
  } catch {
    // The part itself logs what is wrong with it.
    return 'failing';
  } finally {
    clearTimeout(timer);
  }
}

export async function checkHealth(probes: Readonly<Record<string, Probe>>): Promise<Health> {
  const parts = Object.fromEntries(await Promise.all(Object.entries(probes).map(async ([name, probe]) => [name, await check(probe)] as const)));
  return { isReady: Object.values(parts).every((state) => state === 'ok'), parts };
}
