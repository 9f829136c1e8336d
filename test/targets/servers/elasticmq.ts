import { findOnPath } from '../../../src/dev/commands';
import type { Environment } from '../../../src/dev/cache';
import { findFreePort } from '../../../src/dev/ports';
import { mavenJars } from './maven';
import { startServer, type Server } from './server';

/** The release that was tried with version 3.1169.0 of the SDK. */
const ELASTICMQ = 'org.elasticmq:elasticmq-server_2.13:1.7.1';

/** SQS with FIFO queues as ElasticMQ has them. It takes any credentials. */
export interface ElasticMq extends Server {
  url: string;
}

/**
 * Starts ElasticMQ in a process of its own, fetching it first when it is not in the cache.
 * @throws Error naming what is missing, when there is no Java or Maven or it cannot be had
 */
export async function startElasticMq(env: Environment): Promise<ElasticMq> {
  const classPath = await mavenJars('elasticmq', [ELASTICMQ], { env });
  const java = await findOnPath('java', env);
  const port = await findFreePort({ name: 'ElasticMQ', preferred: 0 });
  const url = `http://127.0.0.1:${port}`;
  const server = await startServer({
    name: 'elasticmq',
    command: java ?? 'java',
    args: [
      '-Xmx256m',
      '-Dnode-address.host=127.0.0.1',
      `-Dnode-address.port=${port}`,
      '-Drest-sqs.bind-hostname=127.0.0.1',
      `-Drest-sqs.bind-port=${port}`,
      // Its page of statistics would take a second port.
      '-Drest-stats.enabled=false',
      '-cp',
      classPath,
      'org.elasticmq.server.Main',
    ],
    answers: async () => (await fetch(`${url}/?Action=ListQueues`)).ok,
  });
  return { ...server, url };
}
