from pathlib import Path

import pytest

from speeddash.errors import SettingsError
from speeddash.settings import PREFIX, Settings

CONFIGURATION = Path(__file__).parent.parent / "docs" / "configuration.md"


def test_environment_is_read(monkeypatch):
    monkeypatch.setenv("SPEEDDASH_PORT", "9000")
    assert Settings.load().port == 9000


def test_command_line_wins_over_environment(monkeypatch):
    monkeypatch.setenv("SPEEDDASH_PORT", "9000")
    assert Settings.load(port="9001", host=None).port == 9001


def test_unknown_variable_is_named_with_the_nearest_known(monkeypatch):
    monkeypatch.setenv("SPEEDDASH_PROT", "9000")
    with pytest.raises(SettingsError, match=r"^SPEEDDASH_PROT: .* did you mean SPEEDDASH_PORT\?$"):
        Settings.load()


@pytest.mark.parametrize(
    ("key", "value"),
    [("SPEEDDASH_PORT", "70000"), ("SPEEDDASH_PING_INTERVAL_S", "soon"), ("SPEEDDASH_MAX_SPEED_KMH", "nan")],
)
def test_wrong_value_is_named_with_its_key(monkeypatch, key, value):
    monkeypatch.setenv(key, value)
    with pytest.raises(SettingsError, match=f"^{key}: .*{value}"):
        Settings.load()


def test_wrong_option_is_named_as_it_was_written():
    with pytest.raises(SettingsError, match=r"^--port: "):
        Settings.load(port="x")


def test_password_is_not_shown(monkeypatch):
    monkeypatch.setenv("SPEEDDASH_DATABASE_URL", "mysql://u:hunter2@h/d")
    assert "hunter2" not in repr(Settings.load())


def test_documentation_lists_every_setting_with_its_default():
    rows = [line for line in CONFIGURATION.read_text().splitlines() if line.startswith(f"| `{PREFIX}")]
    listed = {line.split("`")[1]: line for line in rows}
    assert set(listed) == {PREFIX + name.upper() for name in Settings.model_fields}
    for name, field in Settings.model_fields.items():
        default = field.default.get_secret_value() if name == "database_url" else field.default
        shown = f"{default:g}" if isinstance(default, float) else str(default)
        assert f"| `{shown}` |" in listed[PREFIX + name.upper()]


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"BUS_URL": "redis://127.0.0.1"}, "SPEEDDASH_BUS_URL: set SPEEDDASH_NODE_URL too"),
        ({"NODE_URL": "http://10.0.0.1:8765"}, "SPEEDDASH_NODE_URL: several servers need MySQL or MariaDB"),
        (
            {"NODE_URL": "http://10.0.0.1:8765", "DATABASE_URL": "mysql://u:p@db/speed"},
            "SPEEDDASH_NODE_URL: set SPEEDDASH_TOKEN too",
        ),
        (
            {"NODE_URL": "10.0.0.1:8765", "DATABASE_URL": "mysql://u:p@db/speed"},
            "SPEEDDASH_NODE_URL: must be an address",
        ),
    ],
)
def test_settings_of_several_servers_that_cannot_work_are_refused(monkeypatch, settings, error):
    for name, value in settings.items():
        monkeypatch.setenv(f"SPEEDDASH_{name}", value)
    with pytest.raises(SettingsError) as problem:
        Settings.load()
    assert str(problem.value).startswith(error)
