"""Whatever the description of the REST interface allows, and much that it does not: the server answers, and never fails."""

import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.api.test_api import ride

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def test_no_request_makes_the_server_fail_and_every_answer_is_as_described(page_server):
    ride(page_server, "described", [0, 10, 20, 30, 0])
    operations = [
        found.ok() for found in schemathesis.openapi.from_url(f"{page_server.url}/openapi.json").get_all_operations()
    ]
    assert len(operations) > 15
    for operation in operations:
        asks = any(True for _ in operation.iter_parameters()) or len(operation.body) > 0
        for mode in [GenerationMode.POSITIVE, *([GenerationMode.NEGATIVE] if asks else [])]:

            @settings(max_examples=3, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
            @given(operation.as_strategy(generation_mode=mode))
            def ask(case):
                case.call_and_validate(checks=CHECKS)

            ask()
