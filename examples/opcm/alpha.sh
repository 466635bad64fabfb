#!/usr/bin/env bash
# OPCM with several protected shares alpha, one order: examples/opcm/alpha.sh [key=value ...]
source "$(dirname "$0")/common.sh"
for alpha in ${ALPHAS:-0.0 0.2 0.4 0.5 0.6 0.8 1.0}; do
  run "alpha/alpha_$alpha" 0 method=opcm/opcm method.alpha="$alpha" seed=0 "$@"
done
summarise alpha --by method,alpha
