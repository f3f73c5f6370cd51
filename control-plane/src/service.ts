/** A part of the server with a life: started in order, stopped in reverse. Constructors do nothing. */
export interface Service {
  readonly name: string;
  start(signal: AbortSignal): Promise<void>;
  /** Drains within the deadline; never throws for being stopped twice. */
  stop(deadlineMs: number): Promise<void>;
}

export interface Lifecycle {
  start(signal: AbortSignal): Promise<void>;
  stop(deadlineMs: number): Promise<void>;
}

/** Starts in order; a partial start cleans up after itself; stops in reverse, every part even if one fails. */
export function composeServices(services: readonly Service[], report: (event: string, service: string, error?: unknown) => void): Lifecycle {
  const running: Service[] = [];
  const stop = async (deadlineMs: number): Promise<void> => {
    for (let service = running.pop(); service !== undefined; service = running.pop()) {
      try {
        await service.stop(deadlineMs);
        report('stopped', service.name);
      } catch (error) {
        report('stop failed', service.name, error);
      }
    }
  };
  return {
    stop,
    async start(signal) {
      for (const service of services) {
        try {
          signal.throwIfAborted();
          running.push(service);
          await service.start(signal);
          report('started', service.name);
        } catch (error) {
          await stop(5_000);
          throw error;
        }
      }
    },
  };
}
