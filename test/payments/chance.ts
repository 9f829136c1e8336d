import { createHash } from 'node:crypto';

/** Choices that follow from a seed: the same on every machine, whatever was chosen before. */
export interface Chance {
  /** 0 … 1, without 1. @param what - names the choice, so that no two hang together */
  lot(what: string): number;
  pick<T>(what: string, values: readonly T[]): T;
  isTrue(what: string, share: number): boolean;
}

/** A hash is as good as chance. */
export function chanceOf(seed: number, number: number): Chance {
  const lot = (what: string): number => {
    const digest = createHash('sha256').update(`${seed} ${number} ${what}`).digest();
    return digest.readUInt32BE(0) / 2 ** 32;
  };
  return {
    lot,
    pick: (what, values) => values[Math.floor(lot(what) * values.length)]!,
    isTrue: (what, share) => lot(what) < share,
  };
}
