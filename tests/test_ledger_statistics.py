"""The log's numbers against references, and its sentences against its numbers."""

import itertools
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from whalelib import ledger
from whalelib.ledger import sentences, statistics


def seeds(values):
    return {(seed,): value for seed, value in enumerate(values)}


def test_intervals_equal_scipys():
    values = [0.81, 0.84, 0.79, 0.88]
    found = ledger.estimate(values)
    assert (found.low, found.high) == pytest.approx(stats.t.interval(0.95, 3, np.mean(values), stats.sem(values)))


def test_paired_differences_equal_scipys_paired_test():
    a = {(0,): 0.8, (1,): 0.9, (2,): 0.7, (9,): 0.1}
    b = {(0,): 0.75, (1,): 0.88, (2,): 0.64, (8,): 0.2}
    found = ledger.paired(a, b)
    interval = stats.ttest_rel([0.8, 0.9, 0.7], [0.75, 0.88, 0.64]).confidence_interval()
    assert (found.low, found.high) == pytest.approx(tuple(interval))


def test_more_comparisons_are_bonferronis():
    values = [0.1, 0.2, 0.4]
    wide = stats.t.interval(1 - 0.05 / 3, 2, np.mean(values), stats.sem(values))
    assert (ledger.estimate(values, 3).low, ledger.estimate(values, 3).high) == pytest.approx(wide)


def test_folds_are_counted_once_however_many_seeds_they_have():
    folds = {(seed, fold): 0.9 + 0.01 * fold + 0.001 * seed for seed in range(4) for fold in range(3)}
    assert statistics.units(folds) == pytest.approx([0.9015, 0.9115, 0.9215])


def test_overlapping_folds_widen_the_interval_as_nadeau_and_bengio_say():
    values = [0.9, 0.92, 0.91, 0.95, 0.93]
    plain, wide = ledger.estimate(values), ledger.estimate(values, held_out=1 / 5)
    assert wide.half_width / plain.half_width == pytest.approx(math.sqrt((1 / 5 + 1 / 4) / (1 / 5)))


def test_intervals_cover_the_truth_as_often_as_they_say():
    draw = np.random.default_rng(0).normal(0.5, 0.1, (2000, 3))
    covered = np.mean([abs(e.mean - 0.5) <= e.half_width for e in map(ledger.estimate, draw.tolist())])
    assert 0.93 < covered < 0.97


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=4, max_size=9))
def test_rank_correlation_equals_scipys_and_lies_in_its_interval(pairs):
    here, there = zip(*pairs, strict=True)
    found = ledger.agreement(here, there)
    if len({*here}) < 2 or len({*there}) < 2:
        assert math.isnan(found.rho)
        return
    assert found.rho == pytest.approx(stats.spearmanr(here, there).statistic)
    assert -1 <= found.low <= found.rho + 1e-12 and found.rho - 1e-12 <= found.high <= 1
    turned = ledger.agreement([-v for v in here], there)
    assert (turned.rho, turned.low, turned.high) == pytest.approx((-found.rho, -found.high, -found.low))
    assert ledger.agreement([math.exp(v) for v in here], there) == found  # only the order counts


def test_an_order_is_claimed_about_as_rarely_by_chance_as_it_should_be():
    claims = [
        ledger.agreement(range(6), order).low > 0 or ledger.agreement(range(6), order).high < 0
        for order in itertools.permutations(range(6))
    ]
    assert np.mean(claims) < 0.08


values = st.floats(0, 1, allow_nan=False).map(lambda v: round(v, 4))
results = st.lists(st.tuples(values, values), min_size=0, max_size=6)
metrics = st.sampled_from(["event_f1", "test_ap", "false_per_hour", "loss", "recall_at_false_per_hour"])


@settings(deadline=None)
@given(results, st.sampled_from([0.0, 0.02, 0.2]), metrics, st.integers(1, 5))
def test_every_sentence_holds_in_the_numbers(pairs, matters, metric, comparisons):
    case, reference = seeds([a for a, _ in pairs]), seeds([b for _, b in pairs])
    found = ledger.paired(case, reference, comparisons)
    said = ledger.verdict("zeros", "wrap", found, matters, metric)
    claims = " beats " in said.text or " loses to " in said.text
    assert claims == (said.kind in ("better", "worse"))
    if len(pairs) < 2:
        assert said.kind == "unsaid" and "nothing can be said" in said.text
        return
    # Against the pairs themselves, and scipy.
    differences = np.array([a - b for a, b in pairs])
    mean = differences.mean()
    if np.ptp(differences) > 1e-9:
        low, high = stats.t.interval(1 - 0.05 / comparisons, len(pairs) - 1, mean, stats.sem(differences))
    else:
        low = high = mean
    if abs(low) < 1e-9 or abs(high) < 1e-9 or abs(abs(mean) - matters) < 1e-9:
        return  # on the edge, where rounding decides
    if claims:
        assert low > 0 or high < 0
        assert abs(mean) >= matters
        less_is_better = metric in ("false_per_hour", "loss")
        assert (said.kind == "better") == ((mean < 0) if less_is_better else (mean > 0))
        told = float(re.search(r"wrap by ([\d.]+)", said.text)[1])
        assert told > 0 and told == pytest.approx(abs(mean), rel=0.5, abs=6e-4)
    elif said.kind == "small":
        assert (low > 0 or high < 0) and abs(mean) < matters
        assert (" above " in said.text) == (mean > 0)
    else:
        assert low <= 0 <= high
    span = re.search(r"\(([-+][\d.]+) to ([-+][\d.]+)\)", said.text)
    assert [float(span[1]), float(span[2])] == pytest.approx([low, high], abs=6e-2 if abs(high) >= 10 else 6e-4)
    assert ("ruled out" in said.text and "not ruled out" not in said.text) <= (max(-low, high) < matters)
    # Turned round, the other one is said to lose.
    turned = ledger.verdict("wrap", "zeros", ledger.paired(reference, case, comparisons), matters, metric)
    assert {said.kind, turned.kind} in ({"better", "worse"}, {"small"}, {"none"})


def test_equal_results_are_said_to_be_equal():
    said = ledger.verdict("zeros", "wrap", ledger.paired(seeds([0.1, 0.7]), seeds([0.1, 0.7])), 0.0, "event_f1")
    assert said.kind == "none" and "the same event_f1 in all 2 pairs" in said.text


def test_a_difference_of_rounding_is_none():
    said = ledger.verdict("zeros", "wrap", ledger.paired(seeds([0.1 + 0.2] * 3), seeds([0.3] * 3)), 0.0, "event_f1")
    assert said.kind == "none"


@given(st.lists(st.sampled_from(["better", "worse", "small", "none", "unsaid"]), min_size=2, max_size=8))
def test_the_summary_counts_what_was_said(kinds):
    text = sentences.summary([ledger.Verdict(kind, "") for kind in kinds], "wrap")
    assert sum(map(int, re.findall(r"\d+", text)[1:])) == len(kinds)
    assert (" beat" in text) == ("better" in kinds)
    assert (" lose" in text) == ("worse" in kinds)


def test_the_best_of_a_search_is_not_believed():
    said = sentences.chosen(30, "width 64", 0.91, "test_ap")
    assert "The best of 30 trials is **width 64**, with test_ap 0.910." in said
    assert "luckiest" in said
