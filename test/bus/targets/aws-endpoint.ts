import { createHash, randomUUID } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Received, Situation } from '../../contract/target';

/** One message of a call, as the endpoint understood it. */
export interface Entry {
  /** By which its result is told; for EventBridge its place. */
  id: string;
  received: Received;
  /** Members that only FIFO queues and topics take. */
  groupId: string | null;
  deduplicationId: string | null;
}

/** What is said against a call or an entry. */
export interface Refusal {
  name: string;
  message?: string;
  isSenderFault?: boolean;
  status?: number;
  headers?: Record<string, string>;
  /** The whole answer, when it is none of the protocol's. */
  body?: string;
}

/** Just enough of the protocol of one service: what it calls a message, and how it answers. */
export interface AwsProtocol {
  contentType: string;
  entriesOf(body: string): Entry[];
  /** Entries with null are answered for with nothing, as no AWS documentation rules out. */
  answer(results: readonly { entry: Entry; refusal: Refusal | 'accepted' | null }[]): string;
  error(refusal: Refusal): string;
}

export interface AwsRequest {
  headers: IncomingHttpHeaders;
  body: string;
  entries: Entry[];
}

/** A service of AWS's on loopback that does what it is told. */
export interface AwsEndpoint {
  url: string;
  requests: AwsRequest[];
  /** Entries that it took, whether or not the answer arrived. */
  accepted: Entry[];
  arrange(situation: Situation): Promise<void>;
  /** Refuses whole calls from now on, or those for which there is a refusal. */
  refuseCalls(refusal: Refusal | ((request: AwsRequest) => Refusal | null)): void;
  /** Refuses entries of the next call; null says nothing of an entry. */
  refuseEntries(refusals: (entry: Entry) => Refusal | 'accepted' | null): void;
  close(): Promise<void>;
}

export const AWS_SITUATIONS: readonly Situation[] = [
  'accepts',
  'refuses',
  'throttles',
  'fails',
  'hangs',
  'accepts-then-cuts',
  'unreachable',
];

const REFUSALS: Partial<Record<Situation, Refusal>> = {
  refuses: { name: 'InvalidMessageContents', status: 400 },
  throttles: { name: 'ThrottlingException', status: 400 },
  fails: { name: 'InternalFailure', status: 500 },
};

export async function openAwsEndpoint(protocol: AwsProtocol): Promise<AwsEndpoint> {
  const requests: AwsRequest[] = [];
  const accepted: Entry[] = [];
  let situation: Situation = 'accepts';
  let refuseCall: (request: AwsRequest) => Refusal | null = () => null;
  let refuseEntry: ((entry: Entry) => Refusal | 'accepted' | null) | null = null;

  const act = (request: AwsRequest, response: ServerResponse): void => {
    const refusal = refuseCall(request) ?? REFUSALS[situation];
    if (situation === 'hangs') return;
    if (refusal !== undefined) return sendError(response, refusal);
    const results = request.entries.map((entry) => ({ entry, refusal: (refuseEntry ?? accept)(entry) }));
    refuseEntry = null;
    accepted.push(...results.filter((result) => result.refusal === 'accepted').map(({ entry }) => entry));
    if (situation === 'accepts-then-cuts') response.socket?.destroy();
    else response.writeHead(200, { 'content-type': protocol.contentType }).end(protocol.answer(results));
  };
  const sendError = (response: ServerResponse, refusal: Refusal): void => {
    const headers = { 'content-type': protocol.contentType, ...refusal.headers };
    response.writeHead(refusal.status ?? 400, headers).end(refusal.body ?? protocol.error(refusal));
  };
  const server = createServer((message, response) => {
    const chunks: Buffer[] = [];
    message.on('data', (chunk: Buffer) => chunks.push(chunk));
    message.on('end', () => {
      const body = Buffer.concat(chunks).toString();
      const request = { headers: message.headers, body, entries: protocol.entriesOf(body) };
      requests.push(request);
      act(request, response);
    });
  });
  const listen = (port: number): Promise<void> =>
    new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  const refuseConnections = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });

  await listen(0);
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    accepted,
    refuseCalls: (refusal) => (refuseCall = typeof refusal === 'function' ? refusal : () => refusal),
    refuseEntries: (refusals) => (refuseEntry = refusals),
    arrange: async (next) => {
      situation = next;
      if (next === 'unreachable') await refuseConnections();
      else if (!server.listening) await listen(port);
    },
    close: refuseConnections,
  };
}

const accept = (): 'accepted' => 'accepted';

export function md5(text: string): string {
  return createHash('md5').update(text).digest('hex');
}

export const newId = randomUUID;
