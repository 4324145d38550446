"""Progress is drawn in a terminal, and only there."""

import pytest

from recbole.trainer.progress import progress_bar


def drawn(capsys, visible):
    with progress_bar("epoch 3", "samples", 100, visible, done=20) as advance:
        advance(40, 40, "loss 0.5000")
        advance(40, 40, "loss 0.2500")
    return capsys.readouterr()


def test_a_terminal_shows_note_and_speed(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes this for a terminal
    monkeypatch.setenv("COLUMNS", "120")
    printed = drawn(capsys, visible=True)
    assert "epoch 3" in printed.err
    assert "loss 0.2500" in printed.err
    assert "samples/s" in printed.err
    assert printed.out == ""


@pytest.mark.parametrize("terminal", [True, False])
def test_quiet_elsewhere_and_on_request(monkeypatch, capsys, terminal):
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
    assert drawn(capsys, visible=not terminal) == ("", "")
