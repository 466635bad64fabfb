#!/usr/bin/env bash
# OPCM and continual TIES, which depend on the order, in several orders: examples/opcm/orders.sh [key=value ...]
source "$(dirname "$0")/common.sh"
for seed in ${SEEDS:-0 1 2 3 4}; do
  for method in opcm ties_merging; do
    run "orders/$method" "$seed" method="opcm/$method" seed="$seed" "$@"
  done
done
summarise orders
