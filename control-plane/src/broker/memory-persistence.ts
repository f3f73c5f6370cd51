import { Readable } from 'node:stream';
import { createRetainedTopics, type RetainedLimits, type RetainedTopics } from './retained-topics.ts';

/** What aedes hands over; it sets `clientId` to the publisher where there is one. */
interface BrokerPacket {
  topic: string;
  payload: Uint8Array;
  clientId?: string;
  owner: string;
}

const nothing = async (): Promise<void> => {};
const nobody = async (): Promise<never[]> => [];

/**
 * The persistence aedes asks for, reduced to what this broker offers: retained messages. Sessions are
 * always clean and nothing is QoS 2, so there are no queues that could grow.
 */
export function createMemoryPersistence(limits: RetainedLimits, isUnbound: (owner: string) => boolean, refused: (owner: string, topic: string) => void) {
  const retained: RetainedTopics<BrokerPacket> = createRetainedTopics(limits, isUnbound);
  return {
    retained,
    setup: nothing,
    async storeRetained(packet: BrokerPacket): Promise<void> {
      const owner = packet.clientId ?? '';
      // A copy: the packet's payload may be a view of a larger read buffer, which would be held with it.
      if (!retained.store({ ...packet, owner, payload: Buffer.from(packet.payload) })) refused(owner, packet.topic);
    },
    createRetainedStreamCombi(filters: readonly string[]): Readable {
      return Readable.from(filters.flatMap((filter) => [...retained.matches(filter)]));
    },
    addSubscriptions: nothing,
    removeSubscriptions: nothing,
    subscriptionsByClient: nobody,
    subscriptionsByTopic: nobody,
    cleanSubscriptions: nothing,
    outgoingEnqueue: nothing,
    outgoingEnqueueCombi: nothing,
    outgoingUpdate: nothing,
    outgoingClearMessageId: nothing,
    outgoingStream: (): Readable => Readable.from([]),
    incomingGetPacket: (): Promise<never> => Promise.reject(new Error('no such packet')),
    cleanIncoming: nothing,
    // aedes publishes the will of a lost client from the client itself; the stored one is for other brokers of a cluster.
    putWill: nothing,
    delWill: nothing,
    streamWill: (): Readable => Readable.from([]),
  };
}
