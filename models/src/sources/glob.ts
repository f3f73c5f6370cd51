const escape = (letter: string): string => letter.replace(/[.+^$()|[\]\\{}]/g, '\\$&');

/** `*` and `?` within a name, `**` across folders, `{a,b}` for one of several. A pattern without a slash looks at names in any folder. */
export function matchesGlob(pattern: string): (path: string) => boolean {
  let source = '';
  let depth = 0;
  for (let at = 0; at < pattern.length; at += 1) {
    const letter = pattern[at] ?? '';
    if (pattern.startsWith('**/', at)) [source, at] = [`${source}(?:[^/]+/)*`, at + 2];
    else if (pattern.startsWith('**', at)) [source, at] = [`${source}.*`, at + 1];
    else if (letter === '*') source += '[^/]*';
    else if (letter === '?') source += '[^/]';
    else if (letter === '{' && pattern.includes('}', at)) [source, depth] = [`${source}(?:`, depth + 1];
    else if (letter === '}' && depth > 0) [source, depth] = [`${source})`, depth - 1];
    else if (letter === ',' && depth > 0) source += '|';
    else source += escape(letter);
  }
  const anywhere = pattern.includes('/') ? '' : '(?:[^/]+/)*';
  const whole = new RegExp(`^${anywhere}${source}${')'.repeat(depth)}$`, 'su');
  return (path) => whole.test(path);
}
