#!/usr/bin/env bash
# Prints the home of a Java that Spark 4.0 runs on (17 or 21); exit 1 if there is none.
#
# Looks at JAVA_HOME, at the java on PATH, then at the folders of JVMS (by default /usr/lib/jvm).
set -uo pipefail
on_path=$(readlink -f "$(command -v java || echo /nonexistent/bin/java)")
for home in "${JAVA_HOME:-}" "${on_path%/bin/java}" "${JVMS:-/usr/lib/jvm}"/*; do
  [ -n "$home" ] && [ -x "$home/bin/java" ] || continue
  version=$("$home/bin/java" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1)
  case $version in 17 | 21) echo "$home"; exit 0 ;; esac
done
exit 1
