import type { Client } from 'aedes';
import { SerinError } from '@serin/protocol/errors';

/**
 * Guards against measured faults of aedes 1.2. They reach into its client object, so every one has a test
 * that shows the fault on a plain aedes and its absence here: an upgrade that moves these parts fails loudly.
 */
interface Parser {
  parse(buffer: Uint8Array): number;
  emit(event: 'error', error: Error): boolean;
  packet: { length: number };
}

interface ClientParts {
  duplicates: Record<string, number>;
  waitForDrain(callback: (error: Error | null, client: Client) => void): void;
  connackSent: boolean;
  conn: { writableLength: number; destroy(error?: Error): void };
  _parser: Parser;
}

const partsOf = (client: Client): ClientParts => client as unknown as ClientParts;

/** A packet whose counter is lower than the last delivered one is taken for a duplicate and lost; mixed QoS reorders them. */
const remembersNothing: Record<string, number> = new Proxy({}, { get: () => undefined, set: () => true, deleteProperty: () => true });

export function neverDropAsDuplicate(client: Client): void {
  partsOf(client).duplicates = remembersNothing;
}

/** A subscriber that does not read would hold back every publisher: writes return at once, and a large backlog ends the client. */
export function neverWaitForReader(client: Client, backlogBytesMax: number, onDestroyed: () => void): void {
  const parts = partsOf(client);
  parts.waitForDrain = (callback) => {
    if (parts.conn.writableLength > backlogBytesMax) {
      onDestroyed();
      parts.conn.destroy();
    }
    setImmediate(callback, null, client);
  };
}

/** The parser gathers whatever length a packet declares, up to 256 MiB, before anybody has signed in. */
export function capParser(client: Client, limits: { bytesBeforeConnectMax: number; packetBytesMax: number }): void {
  const parts = partsOf(client);
  const parser = parts._parser;
  const parse = parser.parse.bind(parser);
  let bytesBeforeConnect = 0;
  const refuse = (detail: string): number => {
    parser.emit('error', new SerinError('MESSAGE_TOO_LARGE', { detail }));
    return 0;
  };
  parser.parse = (buffer) => {
    if (!parts.connackSent) {
      bytesBeforeConnect += buffer.length;
      if (bytesBeforeConnect > limits.bytesBeforeConnectMax) return refuse(`${bytesBeforeConnect} bytes before the connection was accepted`);
    }
    const gathered = parse(buffer);
    // The declared length is known after the header: refused before it is gathered.
    const declared = Math.max(gathered, parser.packet.length);
    return declared > (parts.connackSent ? limits.packetBytesMax : limits.bytesBeforeConnectMax) ? refuse(`a packet of ${declared} bytes`) : gathered;
  };
}
