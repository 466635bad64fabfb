#!/usr/bin/env bash
# Every method once, with its default options: examples/opcm/methods.sh [key=value ...]
source "$(dirname "$0")/common.sh"
for method in dummy simple_average task_arithmetic ties_merging \
  opcm/weight_average opcm/task_arithmetic opcm/ties_merging opcm/opcm; do
  run "methods/${method/opcm\//continual_}" 0 method="$method" seed=0 "$@"
done
summarise methods
