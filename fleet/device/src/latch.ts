/** One waiter, many who wake it; a wake that comes before the wait is not lost. */
export class Latch {
  #isSet = false;
  #release: (() => void) | undefined;

  wake(): void {
    this.#isSet = true;
    this.#release?.();
  }

  async wait(): Promise<void> {
    if (!this.#isSet) await new Promise<void>((resolve) => (this.#release = resolve));
    this.#release = undefined;
    this.#isSet = false;
  }
}
