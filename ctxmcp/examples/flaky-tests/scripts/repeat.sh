#!/bin/sh
# Runs a command N times and says how often it failed: repeat.sh N COMMAND [ARGUMENT...]
# Prints the output of the first failure. Exits with 1 if any run failed.
set -u

if [ "$#" -lt 2 ]; then
    echo "usage: repeat.sh N COMMAND [ARGUMENT...]" >&2
    exit 2
fi
runs=$1
shift
failed=0
run=1
while [ "$run" -le "$runs" ]; do
    if ! output=$("$@" 2>&1); then
        failed=$((failed + 1))
        if [ "$failed" -eq 1 ]; then
            printf 'run %s failed first:\n%s\n' "$run" "$output"
        fi
    fi
    run=$((run + 1))
done
echo "$failed of $runs runs failed"
[ "$failed" -eq 0 ]
