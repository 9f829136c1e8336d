export { createConsumer, createTables, type ConsumerOptions } from './app';
