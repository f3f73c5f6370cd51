/** One line for each kind of complaint and minute, with how many it stands for: a hostile or broken peer cannot fill the disk. */
export type QuietLog = (kind: string, say: (count: number) => void) => void;

const quietMs = 60_000;
const kindsMax = 100;

export function createQuietLog(elapsed: () => number): QuietLog {
  const kinds = new Map<string, { saidAt: number; count: number }>();
  return (kind, say) => {
    const known = kinds.get(kind);
    if (known !== undefined) {
      known.count++;
      if (elapsed() - known.saidAt < quietMs) return;
    } else if (kinds.size >= kindsMax) return;
    const count = known?.count ?? 1;
    kinds.set(kind, { saidAt: elapsed(), count: 0 });
    say(count);
  };
}
