/** Everything outside the command that it touches; main.ts hands in the real one. */
export interface World {
  env: Readonly<Record<string, string | undefined>>;
  /** Data goes to `out`, everything said to a person to `err`. Both write whole texts. */
  out(text: string): void;
  err(text: string): void;
  /** Whether standard output is a terminal: decides on colour, never on content. */
  isTerminal: boolean;
  /** Asks on the terminal without echo, or reads the first line of piped input. */
  readSecret(prompt: string): Promise<string>;
  /** Asks for a yes; false where there is nobody to ask. */
  confirm(question: string): Promise<boolean>;
  fetch: typeof globalThis.fetch;
  nowMs(): number;
  /** Resolves after the time, or at once when interrupted. */
  pause(milliseconds: number): Promise<void>;
  /** Aborts on Ctrl-C. */
  signal: AbortSignal;
}
