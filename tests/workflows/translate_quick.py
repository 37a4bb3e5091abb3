"""Options of a translation training of a moment, on the study of `two_modalities`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from medcl.study.folder import Study
from medcl.workflows.translate_train import TranslateTrainOptions, translate_train

QUICK: dict[str, Any] = {
    "source_preprocessed": "ct",
    "target_preprocessed": "mr",
    "filters": 2,
    "blocks": 1,
    "discriminator_filters": 2,
    "patches": 16,
    "epochs": 2,
    "batch_size": 2,
    "precision": "fp32",
    "device": "cpu",
    "workers": 1,
}
JOINT: dict[str, Any] = {
    **QUICK,
    "segment": True,
    "widths": [2, 4],
    "organ_negatives": True,
    "average": 0.9,
    "self_training": 0.5,
    "confidence": 0.2,
}
"""With all that a segmentation network brings: of three classes one is always surer than 0.2."""


def quick(study: Study, **changed: Any) -> TranslateTrainOptions:
    """Options of a translation alone."""
    return TranslateTrainOptions(**{"study": study.root, **QUICK, **changed})


def joint(study: Study, **changed: Any) -> TranslateTrainOptions:
    """Options of a translation with a segmentation network."""
    return TranslateTrainOptions(**{"study": study.root, **JOINT, **changed})


def trained(asked: TranslateTrainOptions) -> Path:
    """The folder of a finished run."""
    done = translate_train(asked)
    assert done.run is not None
    assert done.run.status == "finished"
    return done.run.path


def mark_stopped(run: Path) -> None:
    """Note that a run was stopped: the process that wrote its record is that of the tests, which lives."""
    record = run / "run.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"status": "stopped"}))
