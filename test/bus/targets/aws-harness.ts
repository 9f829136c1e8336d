import { createTarget } from '../../../src/bus/targets';
import type { ConnectionSecret } from '../../../src/bus/targets/connection';
import type { OpenTargetDeps } from '../../../src/bus/targets/kind';
import type { Target } from '../../../src/bus/targets/target';
import { CONTRACT_NOW, type BatchHarness } from '../../contract/target';
import { AWS_SITUATIONS, openAwsEndpoint, type AwsEndpoint, type AwsProtocol } from './aws-endpoint';

export const AWS_TIMEOUT_MS = 600;
export const AWS_CONNECTION: ConnectionSecret = {
  kind: 'aws',
  accessKeyId: 'AKIAEXAMPLE',
  secretAccessKey: 'very-secret',
};

/** A target and the endpoint that it sends to. */
export interface AwsHarness extends BatchHarness {
  endpoint: AwsEndpoint;
}

export interface AwsHarnessOptions {
  kind: string;
  protocol: AwsProtocol;
  /** The target's settings, given the endpoint's URL. */
  config: (url: string) => object;
  connection?: ConnectionSecret | null;
  maximumEvents?: number;
}

/** Opens an endpoint and a target that the environment points to it, as an operator would. */
export async function openAwsHarness(options: AwsHarnessOptions): Promise<AwsHarness> {
  const { kind, protocol, connection = AWS_CONNECTION, maximumEvents = 10 } = options;
  const endpoint = await openAwsEndpoint(protocol);
  process.env['AWS_ENDPOINT_URL'] = endpoint.url;
  const settings = { timeoutMs: AWS_TIMEOUT_MS, batch: { maximumEvents }, ...options.config(endpoint.url) };
  const target = openAwsTarget(kind, settings, { connection });
  return {
    target,
    endpoint,
    timeoutMs: AWS_TIMEOUT_MS,
    situations: AWS_SITUATIONS,
    arrange: (situation) => endpoint.arrange(situation),
    received: () => Promise.resolve(endpoint.accepted.map(({ received }) => received)),
    failInBatch: (deliveryIds) => {
      endpoint.refuseEntries(({ received }) => {
        const place = deliveryIds.indexOf(received.deliveryId);
        // In turn for good, for now, and without a word.
        const refusals = [
          { name: 'InternalFailure', isSenderFault: false },
          { name: 'InvalidArgument' },
          null,
        ];
        return place === -1 ? 'accepted' : refusals[place % refusals.length]!;
      });
      return Promise.resolve();
    },
    close: async () => {
      await target.close();
      await endpoint.close();
      delete process.env['AWS_ENDPOINT_URL'];
    },
  };
}

/** A target of one of AWS's kinds; what else targets may need, none of these does. */
export function openAwsTarget(kind: string, config: object, deps: Partial<OpenTargetDeps> = {}): Target {
  return createTarget(kind, config, {
    allowPrivate: true,
    connection: AWS_CONNECTION,
    now: () => CONTRACT_NOW,
    ...deps,
  } as OpenTargetDeps);
}
