/** A retained message with whoever published it, for the quota. */
export interface Retained {
  topic: string;
  owner: string;
  payload: Uint8Array;
}

export interface RetainedLimits {
  /** Retained topics of one publisher; the server is not bound by it. */
  topicsPerOwnerMax: number;
  bytesMax: number;
}

interface Node<Packet> {
  children: Map<string, Node<Packet>>;
  packet: Packet | undefined;
}

export interface RetainedTopics<Packet extends Retained> {
  readonly size: number;
  /** False when a limit forbids it: the message is then delivered but not kept. */
  store(packet: Packet): boolean;
  matches(filter: string): Iterable<Packet>;
}

/** Retained messages in a trie by topic level: finding those of a filter costs its matches, not all there are. */
export function createRetainedTopics<Packet extends Retained>(limits: RetainedLimits, isUnbound: (owner: string) => boolean): RetainedTopics<Packet> {
  const root: Node<Packet> = { children: new Map(), packet: undefined };
  const topicsOf = new Map<string, number>();
  let size = 0;
  let bytes = 0;

  const costOf = (packet: Packet): number => packet.topic.length + packet.payload.length;
  const count = (packet: Packet, sign: 1 | -1): void => {
    size += sign;
    bytes += sign * costOf(packet);
    const topics = (topicsOf.get(packet.owner) ?? 0) + sign;
    if (topics === 0) topicsOf.delete(packet.owner);
    else topicsOf.set(packet.owner, topics);
  };

  const find = (topic: string): Node<Packet> | undefined => {
    let node: Node<Packet> | undefined = root;
    for (const level of topic.split('/')) node = node?.children.get(level);
    return node;
  };

  const put = (packet: Packet): void => {
    let node = root;
    for (const level of packet.topic.split('/')) {
      let child = node.children.get(level);
      if (child === undefined) node.children.set(level, (child = { children: new Map(), packet: undefined }));
      node = child;
    }
    node.packet = packet;
    count(packet, 1);
  };

  /** Forgets the topic and every level nobody needs any more. */
  const remove = (topic: string): void => {
    const levels = topic.split('/');
    const path = [root];
    for (const level of levels) {
      const child = path.at(-1)?.children.get(level);
      if (child === undefined) return;
      path.push(child);
    }
    const leaf = path.at(-1);
    if (leaf?.packet === undefined) return;
    count(leaf.packet, -1);
    leaf.packet = undefined;
    for (let depth = path.length - 1; depth > 0; depth--) {
      const node = path[depth];
      if (node === undefined || node.packet !== undefined || node.children.size > 0) return;
      path[depth - 1]?.children.delete(levels[depth - 1] ?? '');
    }
  };

  function* below(node: Node<Packet>): Iterable<Packet> {
    if (node.packet !== undefined) yield node.packet;
    for (const child of node.children.values()) yield* below(child);
  }

  function* walk(node: Node<Packet>, levels: readonly string[], depth: number): Iterable<Packet> {
    const level = levels[depth];
    if (level === undefined) {
      if (node.packet !== undefined) yield node.packet;
    } else if (level === '#') {
      yield* below(node);
    } else if (level === '+') {
      for (const child of node.children.values()) yield* walk(child, levels, depth + 1);
    } else {
      const child = node.children.get(level);
      if (child !== undefined) yield* walk(child, levels, depth + 1);
    }
  }

  return {
    get size() {
      return size;
    },
    store(packet) {
      if (packet.payload.length === 0) {
        remove(packet.topic);
        return true;
      }
      const present = find(packet.topic)?.packet;
      const bytesAfter = bytes + costOf(packet) - (present === undefined ? 0 : costOf(present));
      const topicsAfter = (topicsOf.get(packet.owner) ?? 0) + (present?.owner === packet.owner ? 0 : 1);
      if (bytesAfter > limits.bytesMax) return false;
      if (topicsAfter > limits.topicsPerOwnerMax && !isUnbound(packet.owner)) return false;
      if (present !== undefined) remove(packet.topic);
      put(packet);
      return true;
    },
    *matches(filter) {
      const levels = filter.split('/');
      // MQTT 3.1.1, 4.7.2: a leading wildcard does not match topics that begin with $.
      const hidden = levels[0] === '+' || levels[0] === '#';
      for (const packet of walk(root, levels, 0)) if (!hidden || !packet.topic.startsWith('$')) yield packet;
    },
  };
}
