/** The code of a pasted link, a fragment or a bare code; null where there is none. */
export function readCode(text: string): string | null {
  const trimmed = text.trim();
  const hash = trimmed.lastIndexOf('#');
  const code = hash === -1 ? trimmed : trimmed.slice(hash + 1);
  return /^[A-Za-z0-9_.~-]{6,200}$/.test(code) ? code : null;
}

interface Words {
  title: string;
  hint: string;
}

/** A used or expired link is the everyday case: say that, and how to go on. */
export function signInWords(code: string, usual: Words): Words {
  if (code === 'TOKEN_INVALID' || code === 'NOT_SIGNED_IN') {
    return {
      title: 'This link has been used or has expired',
      hint: 'Each link signs in once. Restart the server to get a new one, or use the newest one it printed.',
    };
  }
  return { title: usual.title, hint: `${usual.hint}.` };
}
