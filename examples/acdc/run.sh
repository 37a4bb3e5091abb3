#!/usr/bin/env bash
# Real input: pretrain on the ejection fraction of the ACDC hearts, embed them and draw the page.
# Usage: examples/acdc/run.sh FOLDER_WITH_ACDC [STUDY]   (MEDCL and PYTHON name other programs than those on the PATH)
set -euo pipefail
medcl=${MEDCL:-medcl}
python=${PYTHON:-python3}
data=${1:?"name the folder that holds acdc_192.npz and acdc_clinical.csv"}
study=${2:-acdc-study}

"$python" "$(dirname "$0")/make_study.py" --data "$data" "$study"
"$medcl" preprocess --study "$study"
"$medcl" pretrain --study "$study" --variable ejection_fraction
"$medcl" embed --study "$study"
"$medcl" visualize --study "$study" --color ejection_fraction
