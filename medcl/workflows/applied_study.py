"""In which study a run is applied, where image files may be given without any."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from medcl.study.errors import BadInput
from medcl.study.folder import Study


def applied_study(
    study: Path | None, files: Sequence[Path], run: str | None, out: Path | None, results: str
) -> Study | None:
    """The study; None where files, run and output are all told and there is none.

    Args:
        study, files, run, out: as the user gave them with --study, FILES, --run and --out.
        results: what is made of the images, for messages: "masks".

    Raises:
        BadInput: there is no study, and something is missing that could do without.
    """
    try:
        return Study.find(study)
    except BadInput:
        if study is not None or not files or (run is None and out is None):
            raise
        if run is not None and out is not None:
            return None
        missing = "--run FOLDER, the run" if run is None else f"--out DIR, where the {results} go"
        raise BadInput(
            f"{Path.cwd()} is no study folder: give {missing} (outside of a study files need both --run and --out), or "
            "the study with --study DIR."
        ) from None
