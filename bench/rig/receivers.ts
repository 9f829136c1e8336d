import { startProgram } from './child-program';

/** The text message of an order as the fake provider took it. */
export interface ReceivedMessage {
  sid: string;
  /** Of the order, from the message's text; empty when there is none in it. */
  orderId: string;
  /** Milliseconds since 1970. */
  at: number;
}

/** What the receivers got since the last reset. */
export interface Receipts {
  /** How often each event came, by its id. */
  events: Map<string, number>;
  messages: ReceivedMessage[];
}

export type ReceiversQuestion =
  { kind: 'ports' } | { kind: 'reset' } | { kind: 'counts' } | { kind: 'receipts' };
export interface ReceiversAnswer {
  sinkPort?: number;
  twilioPort?: number;
  events?: number;
  messages?: number;
  receipts?: Receipts;
}

/** The sink and the fake provider: the same two for every arm, in a process of their own, as cheap as can be. */
export interface Receivers {
  sinkUrl: string;
  twilioUrl: string;
  reset(): Promise<void>;
  /** How many came, each counted. */
  counts(): Promise<{ events: number; messages: number }>;
  receipts(): Promise<Receipts>;
  stop(): Promise<void>;
}

export async function startReceivers(): Promise<Receivers> {
  const program = startProgram<ReceiversQuestion, ReceiversAnswer>('receivers-program.ts');
  const { sinkPort, twilioPort } = await program.ask({ kind: 'ports' });
  return {
    sinkUrl: `http://127.0.0.1:${sinkPort}/events`,
    twilioUrl: `http://127.0.0.1:${twilioPort}`,
    reset: async () => void (await program.ask({ kind: 'reset' })),
    async counts() {
      const { events = 0, messages = 0 } = await program.ask({ kind: 'counts' });
      return { events, messages };
    },
    async receipts() {
      const { receipts } = await program.ask({ kind: 'receipts' });
      if (receipts === undefined) throw new Error('the receivers gave no receipts');
      return receipts;
    },
    stop: () => program.stop(),
  };
}
