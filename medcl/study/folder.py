"""The study folder: where every command finds its input and puts its output, as git works in a repository."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from medcl.study.errors import BadInput

COHORT = "cohort.csv"
CLINICAL = "clinical.csv"
SETTINGS = "medcl.toml"


@dataclass(frozen=True)
class Study:
    """One study folder; the properties say where each thing lies in it."""

    root: Path

    @classmethod
    def find(cls, path: Path | None = None) -> Study:
        """The study in `path`, or in the current folder.

        Raises:
            BadInput: the folder does not exist or holds neither cohort.csv nor medcl.toml.
        """
        root = (Path.cwd() if path is None else Path(path)).absolute()
        if not root.is_dir():
            what = "is a file, not a folder" if root.exists() else "does not exist"
            raise BadInput(f"--study {root}: {what}. `medcl init` makes a study folder.")
        if _is_study(root):
            return cls(root)
        above = next((folder for folder in root.parents if _is_study(folder)), None)
        if above is not None:
            raise BadInput(
                f"{root} is no study folder (no {COHORT}, no {SETTINGS}), but {above} is: "
                f"change into it or give --study {above}."
            )
        raise BadInput(
            f"{root} is no study folder: neither {COHORT} nor {SETTINGS} is there. Change into the study, "
            "give it with --study DIR, or start one with `medcl init` (simulated: `medcl simulate DIR`)."
        )

    @property
    def cohort_file(self) -> Path:
        """The table with one row per image."""
        return self.root / COHORT

    @property
    def clinical_file(self) -> Path:
        """The optional clinical table."""
        return self.root / CLINICAL

    @property
    def settings_file(self) -> Path:
        """The optional settings."""
        return self.root / SETTINGS

    def preprocessed(self, name: str = "default") -> Path:
        """The folder of one volume store."""
        return self.root / "preprocessed" / name

    @property
    def runs(self) -> Path:
        """The folder that holds one folder per training run."""
        return self.root / "runs"

    @property
    def features(self) -> Path:
        """The folder of the tables that `medcl embed` writes."""
        return self.root / "features"

    @property
    def segmentations(self) -> Path:
        """The folder that holds one folder for each call of `medcl segment apply`."""
        return self.root / "segmentations"

    @property
    def clusters(self) -> Path:
        """The folder that holds one folder for each call of `medcl cluster apply` and `medcl cluster evaluate`."""
        return self.root / "clusters"

    @property
    def figures(self) -> Path:
        """The folder of the pages that `medcl visualize` writes."""
        return self.root / "figures"


def _is_study(folder: Path) -> bool:
    return (folder / COHORT).is_file() or (folder / SETTINGS).is_file()
