/** A command with its arguments. */
export interface Command {
  command: string;
  args: string[];
}

/** The descriptor at which the watcher sees us end. */
export const LIFELINE = 3;
/** As patient as we are ourselves with the slowest child. */
const STOP_TIMEOUT_SECONDS = 20;

/**
 * `$1` is the signal, the rest the command. The watcher reads from a pipe that only we hold open, so it wakes up
 * when we end, even by SIGKILL; it needs no polling and no right to look at us. `exec` gives the command the number
 * of the process that we started. The inner parentheses make the watcher nobody's child: PostgreSQL, for one, wonders
 * about children that it has not started.
 */
const SCRIPT = `
signal=$1
shift
child=$$
( (
  read -r nothing <&${LIFELINE}
  kill -s "$signal" "$child"
  seconds=0
  while [ "$seconds" -lt ${STOP_TIMEOUT_SECONDS} ] && kill -0 "$child"; do
    sleep 1
    seconds=$((seconds + 1))
  done
  kill -s KILL "$child"
) >/dev/null 2>&1 & )
exec "$@" ${LIFELINE}<&-
`;

/** True where the watcher can be had. */
export const CAN_WATCH = process.platform !== 'win32';

/**
 * The command under a watcher that ends it when we are gone. The caller passes a pipe as descriptor 3 and holds its
 * other end as long as the command is to run.
 */
export function watched(command: Command, stopSignal: NodeJS.Signals): Command {
  return {
    command: '/bin/sh',
    args: ['-c', SCRIPT, 'sh', stopSignal.replace(/^SIG/, ''), command.command, ...command.args],
  };
}
