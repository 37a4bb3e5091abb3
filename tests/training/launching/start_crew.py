"""A program that tests start: work of `crew_toy` in processes that it starts, or as one process of a group.

python start_crew.py launch FUNCTION ARGUMENT [JSON of launch's options]
python start_crew.py join FUNCTION ARGUMENT [patience in seconds]
"""

from __future__ import annotations

import json
import os
import sys

import crew_toy
import torch

from medcl.study.errors import MedclError
from medcl.training.launching.address import Address
from medcl.training.launching.join import PeerFailed, joined
from medcl.training.launching.launch import launch
from medcl.training.launching.membership import membership


def run(how: str, name: str, argument: str, options: str = "null") -> object:
    """Do the work and return its result."""
    work, told = getattr(crew_toy, name), json.loads(options)
    if how == "launch":
        told = dict(told or {})
        if "rendezvous" in told:
            told["rendezvous"] = Address.parse(told["rendezvous"])
        return launch(work, argument, **{"processes": 2, **told})
    with joined(membership(os.environ), torch.device("cpu"), told or 60.0):
        return work(argument)


if __name__ == "__main__":
    try:
        sys.stdout.write(json.dumps(run(*sys.argv[1:])) + "\n")
    except MedclError as error:
        sys.stderr.write(f"Error: {error}\n")
        sys.exit(error.exit_status)
    except PeerFailed:
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
