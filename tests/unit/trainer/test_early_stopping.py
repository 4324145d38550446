"""Early stopping is RecBole's: ties are better; stop once more than patience are worse."""

import math

from hypothesis import given
from hypothesis import strategies as st

from recbole.trainer.early_stopping import EarlyStopping

SCORES = st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4]), min_size=1, max_size=30)


def slow_rule(scores, patience, bigger):
    """The epoch after which training stops (or the last) and the epoch that is kept."""
    kept = 0
    for epoch, score in enumerate(scores):
        best = scores[kept]
        if epoch == 0 or (score >= best if bigger else score <= best):
            kept = epoch
        elif epoch - kept > patience:
            return epoch, kept
    return len(scores) - 1, kept


@given(SCORES, st.integers(0, 5), st.booleans())
def test_same_as_the_rule_written_out(scores, patience, bigger):
    stopping = EarlyStopping(patience, bigger)
    for epoch, score in enumerate(scores):
        improved = stopping.update(score, epoch)
        assert improved == (stopping.best_epoch == epoch)
        if stopping.should_stop:
            break
    assert (epoch, stopping.best_epoch) == slow_rule(scores, patience, bigger)
    assert stopping.best == scores[stopping.best_epoch]


def test_nan_never_beats_a_number():
    stopping = EarlyStopping(5, True)
    assert stopping.update(math.nan, 0)
    assert stopping.update(0.5, 1)
    assert not stopping.update(math.nan, 2)
    assert stopping.best == 0.5
