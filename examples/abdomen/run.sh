#!/usr/bin/env bash
# CT to MR on a simulated abdomen: translation and segmentation jointly, masks for the MR of test patients, and their scores.
# Small networks and few epochs, for two CPU cores; shows how it works, not how well.
# Usage: examples/abdomen/run.sh [FOLDER [OPTIONS OF TRANSLATE TRAIN]]
# MEDCL names another program than the medcl on the PATH; PATIENTS and EPOCHS other numbers of them.
set -euo pipefail
medcl=${MEDCL:-medcl}
study=${1:-abdomen-demo}
shift || true

"$medcl" simulate "$study" --kind abdomen-ct-mr --patients "${PATIENTS:-20}"
slices=(--slices axial --slice-size 80 80 --slice-spacing 4.5 4.5)
"$medcl" preprocess --study "$study" --name ct --only modality=ct "${slices[@]}" --hu-window -200 300
"$medcl" preprocess --study "$study" --name mr --only modality=mr "${slices[@]}" --intensity percentile
"$medcl" translate train --study "$study" --name joint --segment --source modality=ct --target modality=mr \
    --source-preprocessed ct --target-preprocessed mr --filters 16 --blocks 4 --discriminator-filters 16 \
    --widths 16,32,64,128 --batch-size 4 --average 0.99 --epochs "${EPOCHS:-10}" "$@"
"$medcl" translate apply --study "$study" --run joint
"$medcl" segment apply --study "$study" --run joint
"$medcl" segment evaluate --study "$study"
