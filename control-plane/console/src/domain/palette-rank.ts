interface Named {
  label: string;
  note: string;
}

/** 0 for a match at the start, then at a word, then anywhere, then letters in order; null for none. */
function distance({ label, note }: Named, needle: string): number | null {
  const text = `${label} ${note}`.toLowerCase();
  if (text.startsWith(needle)) return 0;
  const at = text.indexOf(needle);
  if (at > 0) return /[\s\-_]/.test(text.charAt(at - 1)) ? 1 : 2;
  let from = 0;
  for (const letter of needle) {
    from = text.indexOf(letter, from) + 1;
    if (from === 0) return null;
  }
  return 3;
}

/** Best first, ties in the given order. */
export function rankEntries<Entry extends Named>(entries: readonly Entry[], query: string): Entry[] {
  const needle = query.trim().toLowerCase();
  if (needle === '') return [...entries];
  return entries
    .map((entry) => ({ entry, far: distance(entry, needle) }))
    .filter((scored): scored is { entry: Entry; far: number } => scored.far !== null)
    .toSorted((one, other) => one.far - other.far)
    .map(({ entry }) => entry);
}
