from __future__ import annotations

import numpy as np
import pytest

from medcl.evaluation.fits import Fit, fits_by_encoder, fits_by_site, fits_of_seen, nested_fits
from medcl.study.errors import BadInput

PATIENTS = np.tile([f"P{number}" for number in range(12)], 2)
ENCODERS = np.repeat([1, 2], 12)
SPLITS = np.array(["train"] * 6 + ["val"] * 1 + ["test"] * 5 + ["test"] * 5 + ["val"] * 1 + ["train"] * 6)


def test_an_encoders_rows_only() -> None:
    first, second = fits_by_encoder(ENCODERS, SPLITS)
    assert (first.training.tolist(), first.held_out.tolist()) == (list(range(6)), list(range(7, 12)))
    assert (second.training.tolist(), second.held_out.tolist()) == (list(range(18, 24)), list(range(12, 17)))
    both = fits_by_encoder(ENCODERS, SPLITS, training=("train", "val"))
    assert 6 in both[0].training


def test_patients_that_were_seen_are_refused_unless_told() -> None:
    with pytest.raises(BadInput, match=r"encoder 1 has no row of patients that it never saw.*train, val.*--allow-seen"):
        fits_by_encoder(ENCODERS[:7], SPLITS[:7])
    (seen,) = fits_of_seen(ENCODERS[:12], SPLITS[:12])
    assert seen.seen
    assert (len(seen.training), len(seen.held_out)) == (0, 12)
    assert not fits_of_seen(ENCODERS[7:12], SPLITS[7:12])[0].seen
    assert all(part.seen for part in nested_fits([seen], PATIENTS))


def test_a_site_is_left_out() -> None:
    sites = np.tile(["a", "b", ""], 8)
    fits = fits_by_site(ENCODERS, SPLITS, PATIENTS, sites)
    assert [fit.name for fit in fits] == [f"encoder {e}, site {s} left out" for e in (1, 2) for s in "ab"]
    for fit in fits:
        site = fit.name.split()[3]
        assert set(sites[fit.held_out]) == {site}
        assert set(sites[fit.training]) == set("ab") - {site}
        assert set(SPLITS[fit.held_out]) == {"test"}
        assert len(set(ENCODERS[[*fit.training, *fit.held_out]])) == 1


def test_a_patient_of_two_sites_is_no_training_patient_of_the_other() -> None:
    who = np.array(["A", "A", "B", "C"])
    splits = np.array(["train", "train", "train", "test"])
    (fit,) = fits_by_site([1] * 4, splits, who, ["a", "b", "b", "a"])
    assert fit.training.tolist() == [2]
    with pytest.raises(BadInput, match="at least 2 sites, found a"):
        fits_by_site([1] * 4, splits, who, ["a"] * 4)
    with pytest.raises(BadInput, match="no site has held-out patients"):
        fits_by_site([1] * 4, ["train"] * 4, who, ["a", "b", "b", "a"])


def test_nested_parts_are_of_held_out_patients_and_cover_them_once() -> None:
    who = np.repeat([f"P{number}" for number in range(20)], 3)
    fit = Fit("encoder 1", np.arange(30), np.arange(30, 60))
    strata = np.where(np.isin(who, ["P10", "P11", "P12", "P13", "P14"]), "rare", "common")
    parts = nested_fits([fit], who, strata=strata, folds=5)
    assert sorted(np.concatenate([part.held_out for part in parts]).tolist()) == list(range(30, 60))
    for part in parts:
        assert part.training.min() >= 30
        assert not set(who[part.training]) & set(who[part.held_out])
        assert len(np.unique(who[part.held_out][strata[part.held_out] == "rare"])) == 1
    strata[who == "P10"] = ""
    left = nested_fits([fit], who, strata=strata)
    assert "P10" not in who[np.concatenate([part.training for part in left])]
    assert [p.held_out.tolist() for p in nested_fits([fit], who, seed=1)] != [p.held_out.tolist() for p in parts]


def test_too_few_for_nested_parts_are_refused() -> None:
    with pytest.raises(BadInput, match=r"encoder 1: a fit inside.*at least 4.*found 3"):
        nested_fits([Fit("encoder 1", np.arange(3), np.arange(3, 6))], PATIENTS)
