from __future__ import annotations

import pytest

from medcl.study.errors import BadInput, MedclError, RunFailed
from medcl.training.interrupt import Interrupted
from medcl.training.launching.failure import Failure, WorkerFault, tells_of_a_lost_peer


def raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception as caught:
        return caught


@pytest.mark.parametrize("error", [BadInput(["one", "two\nlines"]), RunFailed("disk full"), Interrupted("Stopped.")])
def test_an_error_comes_back_as_it_was(error: MedclError) -> None:
    back = Failure.from_json(Failure.of(raised(error), rank=3).to_json()).error()
    assert type(back) is type(error)
    assert (back.problems, back.exit_status) == (error.problems, error.exit_status)
    assert back.__notes__[0].startswith("In process 3:\nTraceback")


def test_an_error_that_medcl_does_not_know_names_process_and_type() -> None:
    back = Failure.from_json(Failure.of(raised(ZeroDivisionError("division by zero")), rank=2).to_json()).error()
    assert type(back) is WorkerFault
    assert back.problems[0] == "Process 2 failed with ZeroDivisionError: division by zero"
    assert back.exit_status == 1


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (RuntimeError("[../gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:21"), True),
        (RuntimeError("[../gloo/transport/tcp/pair.cc:446] Connection reset by peer"), True),
        (RuntimeError("Timed out waiting 1800000ms for recv operation to complete"), True),
        (RuntimeError("NCCL error: remote process exited or there was a network error, ncclRemoteError"), True),
        (ConnectionResetError(104, "Connection reset by peer"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (RuntimeError("CUDA out of memory"), False),
        (BadInput("the connection was closed"), False),
    ],
)
def test_the_echo_of_another_processs_end_is_known(error: Exception, lost: bool) -> None:
    assert tells_of_a_lost_peer(error) is lost
    assert Failure.of(raised(error), 0).lost is lost
