/** The value below which this share of the numbers lies; NaN of none. */
export function quantile(numbers: readonly number[], share: number): number {
  const sorted = [...numbers].sort((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export function median(numbers: readonly number[]): number {
  return quantile(numbers, 0.5);
}

export interface Spread {
  p50: number;
  p99: number;
}

export function spreadOf(numbers: readonly number[]): Spread {
  return { p50: quantile(numbers, 0.5), p99: quantile(numbers, 0.99) };
}
