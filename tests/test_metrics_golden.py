"""Published expectations: psds_eval's and sed_eval's own test data, the small ones as literals."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whalelib import metrics, tables
from whalelib.errors import InputError

SECONDS = 280.0  # of sound in psds_eval's test data
SMALL = {
    "1": (
        [(2, 20, "c1"), (12, 35, "c2"), (42, 47, "c3")],
        [(0, 19, "c1"), (40, 45, "c1"), (11, 25, "c2"), (27, 30, "c2"), (32, 41.5, "c2"), (38, 48, "c3")],
        0.9142857142857143,
        [1, 1, 1],
        [12.857143, 12.857143, 0],
    ),
    "2": (
        [(5, 20, "c1"), (5, 30, "c2"), (42, 47, "c3")],
        [(2, 43, "c1"), (15, 20, "c2"), (10, 30, "c3"), (40, 49, "c3")],
        0.29047619047619044,
        [0, 0, 1],
        [12.857143, 0, 12.857143],
    ),
    "3": (
        [(5, 18, "c1"), (10, 30, "c2"), (42, 48, "c3")],
        [(2, 18.5, "c1"), (29, 48, "c1"), (10, 30, "c2"), (32, 38, "c3")],
        0.6238095238095237,
        [1, 1, 0],
        [12.857143, 0, 12.857143],
    ),
}


def events_of(rows, recording="test"):
    return tables.events([{"recording": recording, "onset": a, "offset": b, "label": n} for a, b, n in rows])


def psds(truth, *detections, **options):
    classes = sorted({*truth["label"], *(n for d in detections for n in d["label"])}) or ["c"]
    return metrics.psds(truth, list(detections), SECONDS / 3600, classes, **options)


@pytest.mark.parametrize("name", SMALL)
def test_the_small_cases_of_psds_eval(name):
    truth, found, score, recall, false = SMALL[name]
    result = psds(events_of(truth), events_of(found))
    assert result.score == pytest.approx(score, abs=1e-15)
    assert result.points["recall"].tolist() == recall
    assert result.points["false_per_hour"].tolist() == pytest.approx(false, abs=1e-6)


@pytest.fixture
def golden(real_data):
    folder = real_data / "golden"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there: no published test data here")
    return folder


def read(path, names):
    header = {"header": None, "names": names} if names else {"header": 0}
    table = pd.read_csv(path, sep="\t", **header).dropna()
    return tables.events(table.rename(columns={"filename": "recording", "event_label": "label"}))


@pytest.mark.parametrize(("name", "score"), [*((k, v[2]) for k, v in SMALL.items()), ("4", 0.5)])
def test_the_files_of_psds_eval(golden, name, score):
    truth, found = (read(golden / "psds_eval" / f"test_{name}.{end}", None) for end in ("gt", "det"))
    seconds = pd.read_csv(golden / "psds_eval" / "test.metadata", sep="\t")["duration"].sum()
    assert seconds == SECONDS
    assert psds(truth, found).score == pytest.approx(score, abs=1e-15)
    assert psds(truth, truth).score == 1


def test_the_empty_files_of_psds_eval(golden):
    truth, found = (read(golden / "psds_eval" / name, None) for name in ("empty.gt", "empty.det"))
    assert np.isnan(psds(truth, found).score)


@pytest.mark.parametrize(("seconds", "accuracy"), [(None, 0.84244791666), (1200.0, 0.9719907407407408)])
def test_the_street_of_sed_eval(golden, seconds, accuracy):
    columns = ["recording", "scene", "onset", "offset", "label"]
    truth = read(golden / "sed_eval" / "street_fold1_reference.txt", columns)
    found = read(golden / "sed_eval" / "street_fold1_detected.txt", [columns[0], *columns[2:]])
    ends = pd.concat([truth, found]).groupby("recording")["offset"].max()
    recordings = pd.DataFrame({"recording": ends.index, "seconds": seconds or ends.to_numpy()})
    classes = sorted({*truth["label"], *found["label"]})
    report = metrics.segment_report(truth, found, recordings, classes).set_index("class")
    assert report.at["all", "accuracy"] == pytest.approx(accuracy, abs=1e-11)
    assert report.at["all", "error_rate"] == pytest.approx(1.0616698292220115)


# ---------------------------------------------------------------- PSDS beyond what is published


@st.composite
def some_events(draw, most=6):
    row = st.tuples(st.integers(0, 30), st.integers(1, 8), st.sampled_from(["c1", "c2", "c3"]))
    rows = draw(st.lists(row, max_size=most))
    kept = []  # one class's events apart from each other, as a truth's and a detector's are
    for at, long, name in sorted(rows):
        if all(n != name or b < at for _, b, n in kept):
            kept.append((at, at + long, name))
    return events_of(kept)


def slow_rates(truth, found, classes, dtc, gtc, cttc):
    """Recall, false alarms and cross-triggers of each class, detection by detection."""

    def shared(a, b):
        return max(min(a.offset, b.offset) - max(a.onset, b.onset), 0)

    calls, said = list(truth.itertuples()), list(found.itertuples())
    good, rates = [], []
    for d in said:
        own = sum(shared(d, c) for c in calls if c.label == d.label)
        good.append(own / (d.offset - d.onset) >= dtc - 1e-12)
    for name in classes:
        own = [c for c in calls if c.label == name]
        cover = [sum(shared(d, c) for d, ok in zip(said, good, strict=True) if ok and d.label == name) for c in own]
        hits = sum(s > 0 and s / (c.offset - c.onset) >= gtc - 1e-12 for s, c in zip(cover, own, strict=True))
        wrong = [d for d, ok in zip(said, good, strict=True) if not ok and d.label == name]
        crossed = []
        for other in classes:
            theirs = [c for c in calls if c.label == other]
            if other != name and theirs:
                over = [sum(shared(d, c) for c in theirs) for d in wrong]
                many = sum(s > 0 and s / (d.offset - d.onset) >= cttc - 1e-12 for s, d in zip(over, wrong, strict=True))
                crossed.append(many * 3600 / sum(c.offset - c.onset for c in theirs))
        rates.append((hits / len(own) if own else np.nan, len(wrong) * 3600 / SECONDS, np.mean(crossed or [np.nan])))
    return np.array(rates)


@settings(deadline=None, max_examples=60)
@given(truth=some_events(), found=some_events(), share=st.sampled_from([0.1, 0.5, 0.7]))
def test_the_rates_are_those_of_a_slow_count(truth, found, share):
    classes = ["c1", "c2", "c3"]
    result = metrics.psds(truth, [found], SECONDS / 3600, classes, dtc=share, gtc=share, cttc=0.3)
    expected = slow_rates(truth, found, classes, share, share, 0.3)
    np.testing.assert_allclose(result.points[["recall", "false_per_hour", "cross_per_hour"]], expected)


def test_the_area_of_two_points_by_hand():
    truth = events_of([(0, 2, "c1"), (10, 12, "c1"), (20, 22, "c2")])
    high = events_of([(0, 2, "c1")])
    low = events_of([(0, 2, "c1"), (10, 12, "c1"), (20, 22, "c1"), (20, 22, "c2"), (50, 52, "c2")])
    one = 3600 / SECONDS  # one false alarm
    result = psds(truth, high, low, max_efpr=100.0)
    # c1: half from the start, all from one false alarm on; c2: none, then all.
    assert result.score == pytest.approx((0.25 * one + 1.0 * (100 - one)) / 100)
    # With their spread taken off: the two recalls lie half of their distance from the mean.
    assert psds(truth, high, low, alpha_st=1.0).score == pytest.approx((0.0 * one + 1.0 * (100 - one)) / 100)
    # The false alarm of c1 is in a call of c2, of which there are two seconds: 1800 an hour.
    assert psds(truth, high, low, alpha_ct=1.0).score == pytest.approx((0.25 * one + 0.75 * (100 - one)) / 100)
    assert psds(truth, low, high).score == result.score  # the order of thresholds says nothing


def test_what_is_not_known_costs_nothing():
    truth = events_of([(0, 2, "c1")])
    hedged = pd.concat([truth, events_of([(10, 20, "c1")]).assign(truth="possible")])
    found = events_of([(0, 2, "c1"), (10, 12, "c1")])
    assert psds(truth, found).score < 1 == psds(hedged, found).score
    assert psds(truth, found, exhaustive=False).score == 1


def test_psds_at_its_ends():
    truth = events_of([(0, 2, "c1")])
    assert psds(truth, tables.empty(tables.EVENTS)).score == 0
    assert psds(truth, truth).score == 1
    with pytest.raises(InputError, match="at least one threshold"):
        psds(truth)
    with pytest.raises(InputError, match="both lie above 0"):
        metrics.psds(truth, [truth], 0.0, ["c1"])
