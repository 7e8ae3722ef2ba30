"""The pages of the site that are made from the code: requests, commands and metrics."""

import json
import tempfile
from collections.abc import Iterator
from inspect import cleandoc
from typing import Any

import click
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from speeddash.app import create_app
from speeddash.cli.commands import main
from speeddash.server import main as serve
from speeddash.settings import Settings

BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤"}


def pages() -> dict[str, str]:
    """Return the text of each page by its name."""
    with tempfile.TemporaryDirectory() as folder:
        app = create_app(Settings(database_url=f"sqlite:///{folder}/speed.db"))
        app.store.prepare()
        try:
            described = app.server.test_client().get("/openapi.json").get_json()
            metrics = [*text_string_to_metric_families(app.server.test_client().get("/metrics").get_data(as_text=True))]
        finally:
            app.close()
    return {
        "requests": "\n".join(_requests(described)),
        "command-line": "\n".join(_commands(main, "speeddash")),
        "metrics": "\n".join(_metrics(metrics)),
    }


def _requests(described: dict[str, Any]) -> Iterator[str]:
    yield """# Requests

Every request of the REST interface, from `/openapi.json`. [REST API](../rest.md) is the overview; errors are
`application/problem+json`, RFC 9457.
"""
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            yield f"## `{method.upper()} {path}`\n"
            yield from _request(operation)
    yield "## Objects\n"
    for name, schema in described["components"]["schemas"].items():
        yield f"### {name}\n"
        yield _text(schema.get("description") or "") + "\n"
        members = schema.get("properties", {})
        if members:
            yield "| member | | |\n|---|---|---|"
            for member, each in members.items():
                yield f"| `{member}` | {_kind(each)} | {_cell(each.get('description') or '')} |"
            yield ""


def _request(operation: dict[str, Any]) -> Iterator[str]:
    yield _cell(operation.get("summary") or "") + "\n"
    if operation.get("description"):
        yield _text(operation["description"].replace("<br/>", "")) + "\n"
    if parameters := operation.get("parameters"):
        yield "| parameter | | |\n|---|---|---|"
        for each in parameters:
            schema = each.get("schema", {})
            needed = "required; " if each.get("required") else ""
            text = _cell(each.get("description") or schema.get("description") or "")
            yield f"| `{each['name']}` | {_kind(schema)} | {needed}{text} |"
        yield ""
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"Body, `{kind}`: {_kind(content.get('schema', {}))}.\n"
    for code, answer in operation.get("responses", {}).items():
        if code.startswith("2"):
            kinds = [_kind(each.get("schema", {})) for each in answer.get("content", {}).values()]
            yield f"Answer {code}: {' or '.join(dict.fromkeys(kinds)) or 'see above'}.\n"


def _kind(schema: dict[str, Any]) -> str:
    """Return what a value may be, in a few words."""
    if "$ref" in schema:
        return schema["$ref"].rpartition("/")[2]
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return " or ".join(dict.fromkeys(_kind(each) for each in schema[word]))
    if "enum" in schema:
        return " or ".join(f"`{json.dumps(each)}`" for each in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    bounds = [f"{sign} {schema[name]:g}" for name, sign in BOUNDS.items() if name in schema]
    return " ".join([str(schema.get("type", "any")), *bounds])


def _commands(command: click.Command, name: str, level: int = 1) -> Iterator[str]:
    context = click.Context(command, info_name=name)
    yield f"{'#' * level} `{name}`" if level > 1 else "# Command line"
    yield ""
    for paragraph in cleandoc(command.help or "").split("\n\n"):
        # Click keeps the lines of what follows this character.
        kept = paragraph.startswith("\b\n")
        yield "\n".join(f"    {line}" for line in paragraph.splitlines()[1:]) if kept else _text(paragraph)
        yield ""
    yield ""
    if not isinstance(command, click.Group):
        usage = " ".join(command.collect_usage_pieces(context))
        yield f"    {name} {usage}\n"
    records = [record for each in command.params if (record := each.get_help_record(context))]
    if records:
        yield "| option | |\n|---|---|"
        for option, text in records:
            yield f"| `{_cell(option)}` | {_cell(text)} |"
        yield ""
    if isinstance(command, click.Group):
        for each in command.list_commands(context):
            # `serve` passes its options on.
            of = serve if each == "serve" else command.commands[each]
            yield from _commands(of, f"{name} {each}", level + 1)


def _metrics(metrics: list[Metric]) -> Iterator[str]:
    yield "# Metrics\n\n`GET /metrics`, for Prometheus. Those of several servers, of a group and of a bus appear where there is one.\n"
    yield "| metric | | |\n|---|---|---|"
    for each in metrics:
        if each.name.endswith("_created"):
            continue
        suffix = "_total" if each.type == "counter" else ""
        labels = sorted({label for sample in each.samples for label in sample.labels} - {"le"})
        label = f", by {', '.join(f'`{one}`' for one in labels)}" if labels else ""
        yield f"| `{each.name}{suffix}` | {each.type}{label} | {_cell(each.documentation)} |"
    yield "\n`deploy/prometheus/` has a configuration and rules for alerts."


def _text(text: str) -> str:
    return text.replace("<", "&lt;")


def _cell(text: str) -> str:
    return _text(" ".join(text.split())).replace("|", "\\|")
