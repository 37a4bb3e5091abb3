"""The registry must stay light and tell the truth about what is built."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from medcl.networks.encoder import build_encoder
from medcl.networks.registry import DEFAULT_NETWORK, NETWORKS


def test_importing_the_registry_imports_no_torch() -> None:
    code = "import sys, medcl.networks.registry; sys.exit('torch' in sys.modules or 'monai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_default_is_the_papers_network() -> None:
    assert DEFAULT_NETWORK == "resnet18"


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_titles_name_the_number_of_weights_that_is_built(name: str) -> None:
    with torch.device("meta"):
        encoder = build_encoder(name, (16, 64, 64))
    millions = sum(p.numel() for p in encoder.parameters()) / 1e6
    assert f" {round(millions)} million" in NETWORKS[name].title, millions
