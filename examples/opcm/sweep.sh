#!/usr/bin/env bash
# OPCM, every alpha with every order, jobs side by side: LAUNCHER=ray|joblib examples/opcm/sweep.sh [key=value ...]
source "$(dirname "$0")/common.sh"
: "${LAUNCHER:=ray}"    # joblib needs pip install 'fusion_bench[joblib]'
: "${JOBS:=$(nproc)}" # of joblib at a time; Ray gives each job a core

case $LAUNCHER in
  ray) settings=(hydra/launcher=ray) ;;
  joblib) settings=(hydra/launcher=joblib "hydra.launcher.n_jobs=$JOBS") ;;
  *) echo "LAUNCHER must be ray or joblib, got $LAUNCHER" >&2 && exit 2 ;;
esac

alphas=${ALPHAS:-0.2 0.5 0.8} seeds=${SEEDS:-0 1 2} missing=0
for alpha in $alphas; do
  for seed in $seeds; do
    [[ -s $OUTPUT/sweep/alpha_$alpha/version_$seed/program_report.json ]] || missing=$((missing + 1))
  done
done
if ((missing)); then # jobs that were finished or cut short go on where they were
  $FUSION_BENCH -m "${settings[@]}" modelpool="$MODELPOOL" taskpool="$TASKPOOL" individual_accuracy="$INDIVIDUAL" \
    method=opcm/opcm method.alpha="${alphas// /,}" seed="${seeds// /,}" executor=serial resume=true \
    fabric.loggers.root_dir="$OUTPUT/sweep" 'fabric.loggers.name=alpha_${method.alpha}' \
    'fabric.loggers.version=${seed}' print_config=false print_function_call=false "$@"
fi
summarise sweep --by method,alpha
