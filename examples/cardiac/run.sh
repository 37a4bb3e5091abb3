#!/usr/bin/env bash
# Segmentation with few labels on a simulated cine-MR cohort: dense pretraining without labels, a segmenter trained on
# the masks of two patients, masks for all images and their scores. Some time on two cores; shows how it works.
# Usage: examples/cardiac/run.sh [FOLDER [OPTIONS OF SEGMENT TRAIN]]
# MEDCL names another program than the medcl on the PATH; PATIENTS, EPOCHS and LABELED other numbers of them.
set -euo pipefail
medcl=${MEDCL:-medcl}
study=${1:-cardiac-demo}
shift || true

"$medcl" simulate "$study" --kind cardiac-mr --patients "${PATIENTS:-24}"
"$medcl" preprocess --study "$study"
"$medcl" pretrain --study "$study" --method dense --name dense ${EPOCHS:+--epochs "$EPOCHS"}
"$medcl" segment train --study "$study" --method ideal --labeled "${LABELED:-2}" --init-from "$study/runs/dense" \
    --name few-labels ${EPOCHS:+--epochs "$EPOCHS"} "$@"
"$medcl" segment apply --study "$study" --run few-labels
"$medcl" segment evaluate --study "$study"
