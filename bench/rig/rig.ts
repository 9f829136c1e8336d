import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Arm, ArmPlaces } from '../arms/arm';
import type { Books } from '../arms/books';
import { startLoadGenerator, type LoadGenerator } from './load';
import { startBenchPostgres, type BenchPostgres } from './postgres';
import { startReceivers, type Receivers } from './receivers';
import { prepareTemporal, type RunningTemporal, type TemporalRig } from './temporal';

/** Everything that arms are measured with, on this machine. */
export interface Rig {
  postgres: BenchPostgres;
  receivers: Receivers;
  load: LoadGenerator;
  /** A database, and a Temporal server where there must be one, that nobody used before. */
  place(arm: Pick<Arm, 'needsTemporal' | 'books'>, options: { settle: boolean }): Promise<Place>;
  stop(): Promise<void>;
}

export interface Place extends ArmPlaces {
  database: string;
  temporal: RunningTemporal | null;
  /** Stops Temporal; the databases stay to be read. */
  stopTemporal(): Promise<void>;
  /** Removes the databases. */
  forget(): Promise<void>;
}

/** Starts PostgreSQL, the receivers and the load generator; Temporal is installed when an arm first needs it. */
export async function startRig(): Promise<Rig> {
  const directory = await mkdtemp(path.join(tmpdir(), 'aftercommit-bench-'));
  const postgres = await startBenchPostgres();
  const receivers = await startReceivers();
  const load = startLoadGenerator();
  const templates = new Set<string>();
  let temporalRig: Promise<TemporalRig> | undefined;
  let places = 0;
  const makeTemplate = async (books: Books): Promise<void> => {
    const { template } = books;
    if (templates.has(template)) return;
    await postgres.copy('template1', template);
    await books.prepare(postgres.urlOf(template), receivers);
    templates.add(template);
  };
  return {
    postgres,
    receivers,
    load,
    async place({ needsTemporal, books }, { settle }) {
      await makeTemplate(books);
      places += 1;
      const database = `arm_${places}`;
      await postgres.copy(books.template, database);
      if (needsTemporal) temporalRig ??= prepareTemporal(postgres, path.join(directory, 'temporal'));
      const temporal = needsTemporal ? await (await temporalRig!).start({ settle }) : null;
      return {
        database,
        databaseUrl: postgres.urlOf(database),
        temporal,
        temporalAddress: temporal?.address ?? null,
        sinkUrl: receivers.sinkUrl,
        twilioUrl: receivers.twilioUrl,
        directory,
        stopTemporal: async () => temporal?.stop(),
        async forget() {
          await temporal?.forget();
          await postgres.drop(database);
        },
      };
    },
    async stop() {
      await load.stop();
      await receivers.stop();
      await postgres.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
