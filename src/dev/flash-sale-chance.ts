import { createHash } from 'node:crypto';

/** Choices that follow from a seed and the name of the choice, in whatever order they are made. */
export interface Chance {
  /** From 0 to below 1. */
  lot(what: string): number;
  between(what: string, least: number, most: number): number;
}

/** 32 bits of a hash are as good as chance for this. */
const LOTS = 2 ** 32;

export function chanceOf(seed: number): Chance {
  const lot = (what: string): number =>
    createHash('sha256').update(`${seed}\n${what}`).digest().readUInt32BE(0) / LOTS;
  return { lot, between: (what, least, most) => least + lot(what) * (most - least) };
}
