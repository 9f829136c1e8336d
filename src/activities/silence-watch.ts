import type { ChannelName } from '../domain/message-status';
import type { Logger } from '../log';
import type { Successors } from './successors';

/** Has somebody look after messages that no report comes for. */
export interface SilenceWatch {
  /** Messages of this channel were accepted just now. Never throws: the reconciliation finds what nobody watches. */
  watch(channel: ChannelName): Promise<void>;
}

/** Messages of so long share one look. Part of the wait it ends, so that short waits stay short. */
const SHARE_MS_MAX = 60_000;
const SHARE_MS_MIN = 1_000;
const SHARE_OF_WAIT = 10;
/** Looks that are remembered as started: some hours of minutes on three channels. */
const STARTED_MAX = 1_000;

/** One start of a workflow for all messages of a while, whoever sends them: nobody polls for silence. */
export function createSilenceWatch(deps: {
  successors: Pick<Successors, 'silence'>;
  silenceMs: Readonly<Record<ChannelName, number>>;
  log: Pick<Logger, 'warn'>;
  now: () => Date;
}): SilenceWatch {
  const started = new Map<number, Promise<void>>();
  // One that failed is not tried again: while Temporal is away, each message would try it.
  const start = async (until: number): Promise<void> => {
    try {
      await deps.successors.silence(until);
    } catch (error) {
      deps.log.warn({ error: String(error) }, 'the look after silent messages could not be started');
    }
  };
  return {
    async watch(channel) {
      const waitMs = deps.silenceMs[channel];
      const shareMs = Math.min(SHARE_MS_MAX, Math.max(SHARE_MS_MIN, Math.round(waitMs / SHARE_OF_WAIT)));
      const until = Math.ceil((deps.now().getTime() + waitMs) / shareMs) * shareMs;
      let starting = started.get(until);
      if (starting === undefined) {
        if (started.size >= STARTED_MAX) started.delete(started.keys().next().value!);
        starting = start(until);
        started.set(until, starting);
      }
      await starting;
    },
  };
}
