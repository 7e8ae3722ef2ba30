from tests.devices.conftest import programs, server  # noqa: F401 - fixtures
from tests.devices.test_mqtt import broker  # noqa: F401 - a fixture
