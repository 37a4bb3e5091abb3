#!/usr/bin/env bash
# Real input: chest X-rays of 28 x 28 pixels (PneumoniaMNIST) grouped without labels, then compared with them.
# Usage: examples/xray/run.sh FOLDER_WITH_PNEUMONIAMNIST [STUDY [OPTIONS OF CLUSTER TRAIN]]
# MEDCL names another program than the medcl on the PATH.
set -euo pipefail
medcl=${MEDCL:-medcl}
data=${1:?"name the folder that holds pneumoniamnist.npz"}
study=${2:-xray-study}
shift $(($# > 1 ? 2 : 1))

"$medcl" init --study "$study"
"$medcl" cluster train --study "$study" --npz "$data/pneumoniamnist.npz" --class-names normal,pneumonia "$@"
"$medcl" cluster evaluate --study "$study"
