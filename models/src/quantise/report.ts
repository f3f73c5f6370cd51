/** Why a node was left in float. */
export type FloatReason =
  /** The caller said so. */
  | 'excluded'
  /** No 8-bit kernel of the runtime takes it. */
  | 'operator'
  /** Not of the standard operator set. */
  | 'domain'
  /** Its shape or element type is known only at run time. */
  | 'shape'
  /** The kernel exists, but not for these attributes or inputs. */
  | 'form'
  /** It does not compute with floats at all. */
  | 'type'
  /** It comes after the last product; its outputs would lose precision for no gain in time. */
  | 'head'
  /** What it joins has ranges too different for one scale. */
  | 'ranges'
  /** Converting its values to 8 bits and back would cost more than it saves. */
  | 'cost';

export interface LeftInFloat {
  readonly node: string;
  readonly operator: string;
  readonly reason: FloatReason;
  readonly words: string;
}

/** What became of every node of the prepared graph; each is in exactly one of the lists. */
export interface QuantiseReport {
  /** Nodes that compute with 8 bits, or hand them on. */
  readonly quantised: readonly string[];
  /** Nodes that vanished into the range or the scale of another. */
  readonly absorbed: readonly string[];
  readonly left: readonly LeftInFloat[];
  readonly warnings: readonly string[];
  /** Which calibrator was chosen, and by what. */
  readonly calibration?: string;
}
