import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { waitFor } from '../support/wait';
import { startFaultProxy, type FaultProxy } from './fault-proxy';

/** A server that answers each piece with itself in capitals. */
let server: Server;
let proxy: FaultProxy;
let heard: string[] = [];

beforeEach(async () => {
  heard = [];
  server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      heard.push(bytes.toString());
      socket.write(bytes.toString().toUpperCase());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  proxy = await startFaultProxy({ host: '127.0.0.1', port: (server.address() as AddressInfo).port });
});
afterEach(async () => {
  await proxy.close();
  await new Promise((resolve) => server.close(resolve));
});

async function join(): Promise<{ socket: Socket; answers: () => string; closed: () => boolean }> {
  const socket = connect(proxy.port, '127.0.0.1');
  let answers = '';
  let closed = false;
  socket.on('data', (bytes) => (answers += bytes.toString()));
  socket.on('error', () => undefined);
  socket.on('close', () => (closed = true));
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  return { socket, answers: () => answers, closed: () => closed };
}

describe('a fault proxy', () => {
  it('passes both ways what is not frozen', async () => {
    const client = await join();

    client.socket.write('hello');

    await waitFor('the answer', () => client.answers() === 'HELLO');
    expect(proxy.passed('up')).toBe(5);
    client.socket.destroy();
  });

  it('holds what the server says while that way is frozen, and loses none of it', async () => {
    const client = await join();
    proxy.onBytes = (direction) => {
      if (direction === 'up') proxy.freeze('down');
    };

    client.socket.write('hello');
    await waitFor('the server has heard it', () => heard.join('') === 'hello');
    client.socket.write(' again');
    await waitFor('the server has heard the rest', () => heard.join('') === 'hello again');

    expect(client.answers()).toBe('');
    proxy.onBytes = null;
    proxy.thaw('down');
    await waitFor('the answers', () => client.answers() === 'HELLO AGAIN');
    client.socket.destroy();
  });

  it('holds the very piece that made it freeze, and drops it with the connection', async () => {
    const client = await join();
    let come = '';
    proxy.onBytes = (direction, bytes) => {
      if (direction === 'up') proxy.freeze('up');
      come += bytes.toString();
    };

    client.socket.write('secret');
    await waitFor('the piece has come', () => come === 'secret');
    proxy.cut();
    await waitFor('the client is cut off', client.closed);
    await proxy.heal();
    const next = await join();
    next.socket.write('next');

    await waitFor('the answer', () => next.answers() === 'NEXT');
    expect(heard.join('')).toBe('next');
    next.socket.destroy();
  });

  it('refuses new connections and keeps those that are open, until it accepts again on the same port', async () => {
    const client = await join();
    const { port } = proxy;

    await proxy.refuse();

    await expect(join()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    client.socket.write('still');
    await waitFor('the answer', () => client.answers() === 'STILL');
    await proxy.accept();
    const next = await join();
    expect(proxy.port).toBe(port);
    next.socket.destroy();
    client.socket.destroy();
  });
});
