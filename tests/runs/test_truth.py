"""The errors that a run states, beside stored references in high precision.

The short form of scripts/checks/check_truth.py, which says how the references are made.
"""

from dataclasses import replace

import pytest

from truth.checking import Outcome, check
from truth.references import References
from truth.report import describe, failures, passes

CASES = {
    "kl": 9, "kl certified": 6, "nll": 2, "nll certified": 2, "loss": 2, "smooth": 3,
    "smooth certified": 1, "units": 2, "divergence": 3, "bound": 2, "decomposition": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def outcomes() -> list[Outcome]:
    stored = References()
    return [check(kind, k, stored) for kind, count in CASES.items() for k in range(count)]


def test_errors_hold_against_references_in_high_precision(outcomes):
    assert passes(outcomes), failures(outcomes)


def test_every_case_has_its_reference_and_none_is_refused(outcomes):
    # A case whose draws have changed needs `check_truth.py --make-references`.
    for outcome in outcomes:
        assert outcome.computed is None and not outcome.refusal, describe(outcome)
        assert outcome.numbers


def test_errors_a_thousand_times_smaller_would_be_found(outcomes):
    shrunk = [
        replace(
            outcome,
            numbers=[replace(number, error=1e-3 * number.error) for number in outcome.numbers],
        )
        for outcome in outcomes
    ]
    assert not passes(shrunk)
