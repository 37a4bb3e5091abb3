"""`medcl preprocess --verify`: whether a volume store is what was written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from medcl.study.errors import BadInput
from medcl.study.folder import Study
from medcl.study.plural import counted


@dataclass(frozen=True)
class Verified:
    """A store without a fault.

    Attributes:
        folder: the store.
        files: that were read.
        without_hash: of them, those whose content no hash was noted of; only shape, type and range were compared.
    """

    folder: Path
    files: int
    without_hash: int


def verify(study: Study, name: str, workers: int | None = None) -> Verified:
    """Re-hash every file of a store against its manifest.

    Args:
        study: the study.
        name: of the store.
        workers: processes; one for each core unless told.

    Raises:
        BadInput: there is no finished store, or files are damaged, missing or extra; all are named.
    """
    from medcl.imaging.store import VolumeStore
    from medcl.imaging.verify import fault_of_file, faults_of_store, files_of
    from medcl.workflows.pool import run_jobs
    from medcl.workflows.progress import progress

    store = VolumeStore.open(study.preprocessed(name))
    files = files_of(store.path, store.entries)
    faults: dict[Path, str] = {}
    with progress("Verifying", len(files), unit="files") as step:
        for stored, fault in run_jobs(fault_of_file, files, workers):
            faults[stored.file] = fault
            step(1, stored.file.name)
    broken = [faults[stored.file] for stored in files if faults[stored.file]]
    whole = faults_of_store(store)
    if broken or whole:
        help = (
            f"Delete the damaged and extra files and run `medcl preprocess --name {name}` with the options of before: "
            "it prepares what is missing again. A changed manifest or recipe needs --overwrite too."
        )
        heading = f"{counted(len(broken) + len(whole), 'fault')} in {store.path}, {counted(len(files), 'file')} read:"
        raise BadInput([heading, *broken, *whole, help])
    return Verified(store.path, len(files), sum(not stored.content for stored in files))
