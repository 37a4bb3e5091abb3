from __future__ import annotations

import os
import signal
import threading

import pytest

from medcl.training import interrupt
from medcl.training.interrupt import STOP_SIGNALS, Interruption


def test_first_ctrl_c_is_noted_and_the_second_stops() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Interruption() as interruption:
        assert not interruption.asked
        os.kill(os.getpid(), signal.SIGINT)
        assert interruption.asked
        assert interruption.reason == "Ctrl-C"
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize(("signum", "words"), [(signal.SIGTERM, "SIGTERM"), (signal.SIGUSR1, "SIGUSR1")])
def test_a_schedulers_signal_is_noted_however_often_it_comes(
    signum: signal.Signals, words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with Interruption() as interruption:
        os.kill(os.getpid(), signum)
        assert (interruption.asked, interruption.reason) == (True, words)
        os.kill(os.getpid(), signum)
        os.kill(os.getpid(), signal.SIGTERM)
        assert interruption.reason == words
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert capfd.readouterr().err == f"\n{words} came. Stopping after this step; Ctrl-C stops at once.\n"


def test_of_several_processes_none_answers_a_second_ctrl_c_or_tells(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(interrupt, "world_size", lambda: 2)
    with Interruption() as interruption:
        assert interruption.reason == "a signal to another process"
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        assert interruption.reason == "Ctrl-C"
    assert capfd.readouterr().err == ""


def test_other_threads_leave_the_signals_alone() -> None:
    handlers = []

    def enter() -> None:
        with Interruption():
            handlers.extend(signal.getsignal(number) for number in STOP_SIGNALS)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert handlers == [signal.getsignal(number) for number in STOP_SIGNALS]
