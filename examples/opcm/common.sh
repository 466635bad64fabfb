# Sourced by the scripts beside it. Everything set here can be given in the environment instead.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
if [[ -d .venv/bin ]]; then PATH="$PWD/.venv/bin:$PATH"; fi

: "${MODELPOOL:=CLIPVisionModelPool/clip-vit-tiny_tiny8}"
: "${TASKPOOL:=CLIPVisionModelTaskPool/clip-vit-classification_tiny8}"
: "${INDIVIDUAL:=tiny8/individual.json}" # accuracies of the fine-tuned models; null: not known
: "${FUSION_BENCH:=fusion_bench}" # the commands
: "${FUSION_BENCH_REPORT:=fusion_bench_report}"
: "${OUTPUT:=outputs/examples/opcm}"
RAN= # set by the first run that was not finished earlier

# run DIRECTORY VERSION [key=value ...]: one run, skipped when finished and resumed when interrupted
run() {
  local root name=${1##*/} version=$2 resume=false
  root=$OUTPUT/$(dirname "$1")
  local files=$root/$name/version_$version
  shift 2
  if [[ -s $files/program_report.json || -s $files/orders_report.json ]]; then
    echo "finished earlier: $files"
    return
  fi
  if [[ -f $files/resume/run.json ]]; then resume=true; fi
  echo "running: $files"
  RAN=1
  $FUSION_BENCH modelpool="$MODELPOOL" taskpool="$TASKPOOL" individual_accuracy="$INDIVIDUAL" \
    fabric.loggers.root_dir="$root" fabric.loggers.name="$name" fabric.loggers.version="$version" \
    resume=$resume print_config=false print_function_call=false "$@"
}

# summarise DIRECTORY [option ...]: the runs below it in tables, which are also written there
summarise() {
  local directory=$OUTPUT/$1
  shift
  $FUSION_BENCH_REPORT compare "$directory" --metric tasks,acc,bwt --write "$directory/tables" "$@"
}
