import type { Environment } from './settings';

/** A variable on the left says nothing without the one on the right, so alone it is a mistake. */
const NEEDS: readonly (readonly [name: string, needed: string])[] = [
  ['AFTERCOMMIT_PAYMENT_API_KEY', 'AFTERCOMMIT_PAYMENT_URL'],
  ['AFTERCOMMIT_CARRIER_API_KEY', 'AFTERCOMMIT_CARRIER_URL'],
  ['AFTERCOMMIT_POINTS_API_KEY', 'AFTERCOMMIT_POINTS_URL'],
  ['AFTERCOMMIT_CART_API_KEY', 'AFTERCOMMIT_CART_URL'],
  ['AFTERCOMMIT_STRIPE_URL', 'STRIPE_SECRET_KEY'],
  ['AFTERCOMMIT_STRIPE_RETURN_URL', 'STRIPE_SECRET_KEY'],
];

/** What is wrong between the variables of participants. Each by itself is checked by its own schema. */
export function problemsOfParticipants(given: Environment): string[] {
  const problems: string[] = [];
  const hasUrl = given['AFTERCOMMIT_PAYMENT_URL'] !== undefined;
  const hasStripe = given['STRIPE_SECRET_KEY'] !== undefined;
  if (hasUrl && hasStripe) {
    problems.push(
      'AFTERCOMMIT_PAYMENT_URL, STRIPE_SECRET_KEY: there is one payment gateway; set one of them',
    );
  }
  if (!hasUrl && !hasStripe) {
    problems.push('AFTERCOMMIT_PAYMENT_URL: is missing; set it, or STRIPE_SECRET_KEY for Stripe');
  }
  for (const [name, needed] of NEEDS) {
    if (given[name] !== undefined && given[needed] === undefined) {
      problems.push(`${name}: has no use without ${needed}`);
    }
  }
  return problems;
}
