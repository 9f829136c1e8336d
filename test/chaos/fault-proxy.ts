import { connect, createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';

/** Which way bytes go: `up` from client to server, `down` from server to client. */
export type Direction = 'up' | 'down';

/**
 * A TCP proxy on loopback in front of one server. What is frozen is held, in order, and goes on when it is thawed: an end
 * of the stream is held like any other byte. Nothing here waits for a time.
 */
export interface FaultProxy {
  readonly port: number;
  /**
   * Sees each piece before it goes on. It may freeze: then this piece is the first that is held. Pieces are what the
   * kernel gave at once, for a small message the whole of it.
   */
  onBytes: ((direction: Direction, bytes: Buffer) => void) | null;
  freeze(direction: Direction): void;
  thaw(direction: Direction): void;
  /** Resets every connection; what was held is lost. */
  cut(): void;
  /** New connections are refused by the kernel until `accept`. Those that are open stay. */
  refuse(): Promise<void>;
  accept(): Promise<void>;
  /** Bytes that were handed to the receiver's socket so far. */
  passed(direction: Direction): number;
  /** Thaws, accepts and passes everything again. */
  heal(): Promise<void>;
  close(): Promise<void>;
}

const HOST = '127.0.0.1';

/**
 * Starts a proxy on a free port.
 * @param upstream - where its connections go
 * @param spell - what `onBytes` sees in place of a piece that goes up; the piece itself goes on
 */
export async function startFaultProxy(
  upstream: { host: string; port: number },
  spell: (bytes: Buffer) => Buffer = (bytes) => bytes,
): Promise<FaultProxy> {
  const proxy = new Proxy(upstream, spell);
  await proxy.accept();
  return proxy;
}

/** One way of one connection. */
interface Lane {
  direction: Direction;
  from: Socket;
  to: Socket;
  held: Buffer[];
}

class Proxy implements FaultProxy {
  port = 0;
  onBytes: FaultProxy['onBytes'] = null;
  readonly #upstream: { host: string; port: number };
  readonly #spell: (bytes: Buffer) => Buffer;
  readonly #lanes = new Set<Lane>();
  readonly #frozen = new Set<Direction>();
  readonly #passed = { up: 0, down: 0 };
  #server: Server | null = null;

  constructor(upstream: { host: string; port: number }, spell: (bytes: Buffer) => Buffer) {
    this.#upstream = upstream;
    this.#spell = spell;
  }

  freeze(direction: Direction): void {
    this.#frozen.add(direction);
    for (const lane of this.#lanesOf(direction)) lane.from.pause();
  }

  thaw(direction: Direction): void {
    this.#frozen.delete(direction);
    for (const lane of this.#lanesOf(direction)) {
      for (const piece of lane.held.splice(0)) this.#forward(lane, piece);
      lane.from.resume();
    }
  }

  cut(): void {
    for (const { from } of [...this.#lanes]) reset(from);
  }

  async refuse(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    // It waits for the connections that are open; only that it no longer listens matters.
    server?.close();
    await Promise.resolve();
  }

  async accept(): Promise<void> {
    if (this.#server !== null) return;
    const server = createServer({ allowHalfOpen: true }, (client) => this.#join(client));
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.port, HOST, resolve);
    });
    this.port = (server.address() as AddressInfo).port;
  }

  passed(direction: Direction): number {
    return this.#passed[direction];
  }

  async heal(): Promise<void> {
    this.onBytes = null;
    this.thaw('up');
    this.thaw('down');
    await this.accept();
  }

  async close(): Promise<void> {
    await this.refuse();
    this.cut();
  }

  #lanesOf(direction: Direction): Lane[] {
    return [...this.#lanes].filter((lane) => lane.direction === direction);
  }

  #join(client: Socket): void {
    const server = connect({ ...this.#upstream, allowHalfOpen: true });
    client.setNoDelay(true);
    server.setNoDelay(true);
    this.#open({ direction: 'up', from: client, to: server, held: [] });
    this.#open({ direction: 'down', from: server, to: client, held: [] });
  }

  #open(lane: Lane): void {
    const { from, to, direction } = lane;
    this.#lanes.add(lane);
    from.on('data', (bytes: Buffer) => {
      // Also while nobody listens: it may have to learn.
      const seen = direction === 'up' ? this.#spell(bytes) : bytes;
      this.onBytes?.(direction, seen);
      if (this.#frozen.has(direction)) {
        from.pause();
        lane.held.push(bytes);
      } else this.#forward(lane, bytes);
    });
    from.on('end', () => to.end());
    // The 'close' that follows ends the other side.
    from.on('error', () => undefined);
    from.on('close', () => {
      this.#lanes.delete(lane);
      to.destroy();
    });
    if (this.#frozen.has(direction)) from.pause();
  }

  #forward({ direction, from, to }: Lane, bytes: Buffer): void {
    const hasRoom = to.write(bytes, (error) => {
      if (!error) this.#passed[direction] += bytes.length;
    });
    if (hasRoom) return;
    from.pause();
    to.once('drain', () => {
      if (!this.#frozen.has(direction)) from.resume();
    });
  }
}

/**
 * Node (20.19) never ends its own process after a reset of a socket that still has something to write or to shut down:
 * measured, it spins in its clean-up. Those are closed without a reset.
 */
function reset(socket: Socket): void {
  const isQuiet = !socket.connecting && socket.writableLength === 0 && !socket.writableEnded;
  if (isQuiet) socket.resetAndDestroy();
  else socket.destroy();
}
