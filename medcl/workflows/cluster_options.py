"""The options that the commands of `medcl cluster` share: which images they take, and what their page shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import field_validator, model_validator

from medcl.workflows.clinical_options import ClinicalOptions
from medcl.workflows.options import flag, split_words

IMAGES = "Images"
PAGE = "Page and tables"
MAPS = ("tsne", "pca", "umap")


class ClusterImagesOptions(ClinicalOptions):
    """Which images: the study's preprocessed ones, or those of a MedMNIST-style file."""

    preprocessed: str | None = flag(
        None, "Name of the preprocessed images; default unless told.", metavar="NAME", panel=IMAGES
    )
    npz: Path | None = flag(
        None,
        "A MedMNIST-style file (train_images, train_labels, val_images, ...) to take instead of the study's images.",
        metavar="FILE",
        panel=IMAGES,
    )
    class_names: list[str] = flag(
        [], "Names of the classes of --npz in the order of their numbers.", metavar="A,B,...", panel=IMAGES
    )
    copies: Literal["leave-out", "keep"] = flag(
        "leave-out",
        "Of --npz: images of the training part that also stand in the validation or test part are left out, or kept.",
        panel=IMAGES,
    )

    @field_validator("class_names", mode="before")
    @classmethod
    def _words(cls, value: Any) -> Any:
        return split_words(value)

    @field_validator("npz", mode="after")
    @classmethod
    def _holds_from_everywhere(cls, path: Path | None) -> Path | None:
        return None if path is None else path.absolute()

    @model_validator(mode="after")
    def _one_source(self) -> ClusterImagesOptions:
        if self.npz is not None and self.preprocessed is not None:
            raise ValueError("--npz and --preprocessed exclude each other: both say which images are taken.")
        if self.npz is None and (self.class_names or self.copies != "leave-out"):
            raise ValueError("--class-names and --copies go with --npz.")
        if self.npz is not None and self.clinical:
            raise ValueError("--clinical goes with images of a study; a file of --npz has no patients to join with.")
        return self


class ClusterPageOptions(ClusterImagesOptions):
    """What the page and the tables show."""

    color: str | None = flag(
        None,
        "Clinical variable that the page shows beside the clusters; the classes of --npz, or none, unless told.",
        metavar="NAME",
        panel=PAGE,
    )
    variables: list[str] = flag(
        ["all"],
        "Clinical variables whose differences between the clusters are told; all unless told.",
        metavar="A,B,...",
        panel=PAGE,
    )
    maps: list[str] = flag(["tsne", "pca", "umap"], "Maps of the page: tsne, pca, umap.", metavar="A,B", panel=PAGE)
    pictures: int = flag(12, "Images whose reconstructions are shown and written.", ge=0, panel=PAGE)
    no_ids: bool = flag(False, "Number the patients on the page instead of naming them.", panel=PAGE)

    @field_validator("variables", "maps", mode="before")
    @classmethod
    def _lists(cls, value: Any) -> Any:
        return split_words(value)

    @field_validator("maps")
    @classmethod
    def _known_maps(cls, value: list[str]) -> list[str]:
        if not value or set(value) - set(MAPS):
            raise ValueError(f"the maps are {', '.join(MAPS)}")
        return list(dict.fromkeys(value))


class ClusterResultOptions(ClusterImagesOptions):
    """Which run is used, and where what comes of it is written."""

    run: str | None = flag(
        None, "Run of `medcl cluster train`: a name in runs/ or a folder; the newest unless told.", metavar="RUN"
    )
    name: str | None = flag(None, "Folder in clusters/ for the results; that of the run unless told.", metavar="NAME")
    device: Literal["auto", "cpu", "cuda", "mps"] = flag(
        "auto", "Where to encode; auto takes a CUDA GPU where there is one."
    )
    overwrite: bool = flag(False, "Replace the results of an earlier call.")

    @field_validator("name")
    @classmethod
    def _plain(cls, name: str | None) -> str | None:
        if name is not None and (not name or Path(name).name != name or name.startswith(".")):
            raise ValueError("give a plain folder name")
        return name
