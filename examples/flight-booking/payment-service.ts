import { createPaymentApp } from './payment-app';
import { createPaymentTables } from './payments';
import { openPool, required, serve } from './server';

/** The payment service: a consumer of deliveries, and a process of its own. */
async function main(): Promise<void> {
  const pool = openPool(required('DATABASE_URL'));
  await createPaymentTables(pool);
  await serve('the payment service', {
    app: createPaymentApp({ pool, secret: required('WEBHOOK_SECRET') }),
    port: Number(required('PORT')),
    close: () => pool.end(),
  });
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
