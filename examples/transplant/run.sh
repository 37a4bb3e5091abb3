#!/usr/bin/env bash
# The main job on a simulated kidney-transplant cohort: from a table of exams to a page, some minutes on two cores.
# Usage: examples/transplant/run.sh [FOLDER [OPTIONS OF PRETRAIN]]
# MEDCL names another program than the medcl on the PATH; PATIENTS and EPOCHS other numbers of them.
set -euo pipefail
medcl=${MEDCL:-medcl}
study=${1:-demo}
shift || true

"$medcl" simulate "$study" --kind transplant-mr --patients "${PATIENTS:-24}"
"$medcl" preprocess --study "$study"
"$medcl" pretrain --study "$study" --variable gfr ${EPOCHS:+--epochs "$EPOCHS"} "$@"
"$medcl" embed --study "$study"
"$medcl" visualize --study "$study" --color screat
