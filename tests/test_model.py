"""Random operations on a store beside a model of the documents; `python -m benchmarks model` does it for longer."""

import random

import pytest

from tests.model import run

#: It found an event that a late reading in the hour before cut short.
FIXED_SEED = 4


def test_answers_are_those_of_the_model(store, record_property):
    """Random operations get the answers of the model; a failure names its seed."""
    compare(store, random.SystemRandom().randrange(10**6), 60, record_property)


@pytest.mark.any_database
@pytest.mark.long
def test_answers_to_known_operations_are_those_of_the_model(store, record_property):
    """Operations that found a defect get the answers of the model."""
    compare(store, FIXED_SEED, 150, record_property)


def compare(store, seed, steps, record_property):
    record_property("seed", seed)
    done = run(store, seed, steps)
    record_property("comparisons", done.comparisons)
    assert done.comparisons > steps // 3
