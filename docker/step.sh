# Sourced by the Makefile and by the scripts beside it: one line a step, what it does and how long it took.

# step TEXT COMMAND...   The command's output is kept back; if it fails, its last lines are shown and its code returned.
step() {
  local text=$1 start=$SECONDS log code
  shift
  log=$(mktemp)
  printf 'setup: %s ... ' "$text"
  # not "|| code=$?": there the shell would ignore a failure in the middle of a function
  set +e
  (set -e; "$@") >"$log" 2>&1 </dev/null
  code=$?
  set -e
  if [ $code = 0 ]; then
    echo "$((SECONDS - start)) s"
  else
    echo "failed"
    tail -n 30 "$log" >&2
  fi
  rm -f "$log"
  return $code
}
