#!/usr/bin/env bash
# Every continual method over ORDERS orders, beside the pretrained and the individual models; then tables, plots and one
# HTML page: examples/opcm/compare.sh [key=value ...]
source "$(dirname "$0")/common.sh"
: "${ORDERS:=10}"           # how many, the same for every method
: "${SEED:=42}"             # draws them
: "${EVALUATE:=diagonal}"   # what ACC and BWT need; seen: after each step all tasks seen so far, 2.4 times the scoring
# Chosen on the validation images of tiny8, see docs/results.md; empty: the options that the methods have by default.
: "${TIES=method.scaling_factor=0.15 method.threshold=50}"
: "${OPCM=method.alpha=0.6}"
: "${FUSION_BENCH_REPORT:=fusion_bench_report}" # the command that compares runs

name=compare/$(basename "${TASKPOOL}")
report=$OUTPUT/$name/report

run "$name/individual" 0 method=analysis/individual fabric/loggers=none
if [[ $INDIVIDUAL != null ]]; then INDIVIDUAL=$OUTPUT/$name/individual/version_0/program_report.json; fi # as measured here

run "$name/pretrained" 0 method=dummy fabric/loggers=none
for method in weight_average task_arithmetic ties_merging opcm opcm_general; do
  case $method in
    ties_merging) options=($TIES) ;;
    opcm*) options=($OPCM) ;;
    *) options=() ;;
  esac
  # Without checkpoints, 2 GB less: an order that was cut short is merged again, but no model is scored twice.
  run "$name/$method" 0 method="opcm/$method" "${options[@]}" method.evaluate="$EVALUATE" method.save_on_every_step=false \
    orders.count="$ORDERS" orders.seed="$SEED" fabric/loggers=none "$@"
done

if [[ -n $RAN || ! -s $report/report.html ]]; then
  dirs=("$OUTPUT/$name"/{pretrained,weight_average,task_arithmetic,ties_merging,opcm,opcm_general})
  $FUSION_BENCH_REPORT compare "${dirs[@]}" --metric acc,bwt,normalised,tasks --tests acc --write "$report" \
    --plots "$report/plots" --html "$report/report.html"
fi
echo "comparison: $report"
