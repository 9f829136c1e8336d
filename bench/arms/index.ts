import type { Arm } from './arm';
import { PEER_ARMS } from './peers';
import { productArm } from './product';
import { RESTATE_ARM } from './restate';
import { scaledArm } from './scaled';

/** In the order of the table: the product first, what it is compared with below. */
export const ARMS: readonly Arm[] = [
  productArm('flash', 'the product, flash lane', 'flash'),
  productArm('standard', 'the product, standard lane', 'standard'),
  ...PEER_ARMS,
  RESTATE_ARM,
];

/** And those that are measured only when they are named. */
export const ALL_ARMS: readonly Arm[] = [...ARMS, scaledArm(2), scaledArm(3)];
