"""Epochs are counted for the network, and for the run."""

from __future__ import annotations

from vidnas.training import TrainingSettings, train


def test_a_run_that_goes_on_counts_its_own(cache, fresh, tmp_path):
    checkpoint = tmp_path / "state"
    counts = [
        train(fresh(), cache, TrainingSettings(epochs=epochs), seed=0, checkpoint=checkpoint)
        for epochs in (1, 3)
    ]
    assert [(one.epochs, one.new_epochs) for one in counts] == [(1, 1), (3, 2)]
    again = train(fresh(), cache, TrainingSettings(epochs=3), seed=0, checkpoint=checkpoint)
    assert again.new_epochs == 2  # it was finished, and is not repeated
    checkpoint.unlink()
    anew = train(fresh(), cache, TrainingSettings(epochs=3), seed=0, checkpoint=checkpoint)
    assert (anew.epochs, anew.new_epochs) == (3, 3)
