#!/bin/sh
# What the image runs: aftercommit api | worker [--roles …] | service | migrate | setup | reconcile [--dry-run] | orders rebuild |
# health | worker-health
set -eu

command="${1:-api}"
[ "$#" -gt 0 ] && shift
case "$command" in
  # exec: the process gets the signals of `docker stop` itself.
  api | worker | service) exec node "/app/dist/$command.js" "$@" ;;
  reconcile | orders) exec node /app/dist/cli/aftercommit.js "$command" "$@" ;;
  migrate | setup) exec node "/app/dist/cli/$command.js" "$@" ;;
  health)
    exec node -e '
      fetch(`http://127.0.0.1:${process.env.PORT || 3000}/healthz`)
        .then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1));' ;;
  worker-health) exec node /app/scripts/worker-health.mjs "$@" ;;
  *)
    echo "There is no command $command; there are api, worker, service, migrate, setup, reconcile, orders, health and worker-health." >&2
    exit 2
    ;;
esac
