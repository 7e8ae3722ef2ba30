"""Fuzzing: any input gives a valid reading or a designed error."""

import itertools
import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import fuzz
from benchmarks.fuzz import MAX_SPEED_KMH, check_frame
from speeddash.errors import SettingsError
from speeddash.reading import EARLIEST_US, LATEST_US, MAX_SEQ, Reading, parse_frame
from speeddash.settings import PREFIX, Settings

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=10), inner, max_size=5),
    max_leaves=20,
)
READING = st.fixed_dictionaries(
    {},
    optional={
        "speed": st.floats(-10, 3000) | JSON,
        "timestamp": st.datetimes().map(lambda at: f"{at.isoformat()}Z") | st.floats() | st.integers() | JSON,
        "source": st.from_regex(r"[A-Za-z0-9._:-]{1,70}", fullmatch=True) | JSON,
        "seq": st.integers(-1, 2**64) | JSON,
        "note": JSON,
    },
)


@settings(max_examples=400, deadline=None)
@given(
    st.one_of(
        st.text(),
        st.binary(),
        JSON.map(json.dumps),
        st.lists(READING, max_size=4).map(json.dumps),
        READING.map(json.dumps),
    )
)
def test_frame_becomes_readings_or_an_error_of_ours(text):
    """hypothesis on `parse_frame`: text, bytes, any JSON, and nearly valid readings"""
    check_frame(text)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.builds(
            Reading,
            st.just("s"),
            st.integers(EARLIEST_US, LATEST_US),
            st.integers(0, MAX_SEQ),
            st.floats(0, MAX_SPEED_KMH),
        ),
        min_size=1,
        max_size=3,
    )
)
def test_reading_survives_the_wire_to_the_bit(readings):
    """hypothesis on `parse_frame`: a reading that is written is read back equal"""
    text = json.dumps([each.as_dict() for each in readings])
    assert parse_frame(text, "x", 0, itertools.count(), MAX_SPEED_KMH) == readings


@pytest.mark.long
def test_atheris_finds_no_frame_that_is_neither(request, tmp_path, record_property):
    """atheris on `parse_frame`, guided by coverage: no exception but the package's own"""
    pytest.importorskip("atheris", reason="atheris has no wheel for this machine")
    seconds = 3 * request.config.getoption("--cycles")
    record_property("seconds", seconds)
    assert fuzz.run(seconds, str(tmp_path)) == 0


def loaded_or_refused():
    try:
        return Settings.load()
    except SettingsError as wrong:
        return wrong


#: The environment cannot hold a zero byte or half a character.
VALUES = (
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=80)
    | st.integers().map(str)
    | st.floats().map(str)
)


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(Settings.model_fields)), VALUES, max_size=3))
def test_environment_becomes_settings_or_an_error_that_names_its_key(values):
    """hypothesis on the settings: any text in any variable"""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in values.items():
            environment.setenv(PREFIX + name.upper(), value)
        outcome = loaded_or_refused()
    if isinstance(outcome, SettingsError):
        assert any(outcome.key == PREFIX + name.upper() for name in values)
        assert "\n" not in str(outcome)
    else:
        assert set(outcome.model_dump()) == set(Settings.model_fields)


@settings(max_examples=100, deadline=None)
@given(st.from_regex(r"[A-Z_]{1,20}", fullmatch=True).filter(lambda name: name.lower() not in Settings.model_fields))
def test_unknown_variable_is_named(name):
    """hypothesis on the settings: an unknown variable"""
    assert f"{PREFIX}{name}" not in os.environ
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(PREFIX + name, "1")
        with pytest.raises(SettingsError, match=PREFIX + name):
            Settings.load()
