/** How orders are asked for. */
export interface Load {
  name: string;
  title: string;
  /** Closed loop: so many callers, each asks again as soon as it is answered. */
  connections?: number;
  /** Open loop: so many a second, whatever the answers do. */
  ratePerSecond?: number;
  /** SKUs that are bought, each as often as any other. */
  skus: number;
}

/** As many as `createShop` puts on the shelf. */
export const SKUS = 1_000;

export const LOADS: readonly Load[] = [
  { name: 'c64', title: '64 connections', connections: 64, skus: SKUS },
  { name: 'c256', title: '256 connections', connections: 256, skus: SKUS },
  { name: 'r20', title: '20 orders/s', ratePerSecond: 20, skus: SKUS },
  { name: 'r150', title: '150 orders/s', ratePerSecond: 150, skus: SKUS },
  { name: 'hot64', title: 'one hot SKU, 64 connections', connections: 64, skus: 1 },
  { name: 'hot256', title: 'one hot SKU, 256 connections', connections: 256, skus: 1 },
];

/** The name of the SKU at a position. */
export function skuAt(position: number): string {
  return `SKU-${position}`;
}
