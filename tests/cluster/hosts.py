"""Hosts of their own on this machine: network namespaces, each with one link to its clients and one to the other members of its group."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from tests.cluster.group import Node, Place

CLIENTS, MEMBERS = "10.87.1", "10.87.2"


def ip(*words: str) -> None:
    """Run `ip`."""
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@contextmanager
def three_hosts() -> "Iterator[Hosts]":
    """Three hosts, for as long as the block."""
    hosts = Hosts(3)
    hosts.remove()  # what a run that was killed has left
    try:
        try:
            hosts.make()
        except subprocess.CalledProcessError as failed:
            (pytest.fail if os.environ.get("CI") else pytest.skip)(f"no network namespaces here: {failed.stderr}")
        yield hosts
    finally:
        hosts.remove()


class Hosts:
    """Namespaces `speed1` and so on, on two bridges; this machine is a client."""

    def __init__(self, count: int) -> None:
        self._numbers = range(1, count + 1)
        self.places = [
            Place(f"{CLIENTS}.{number}", f"{MEMBERS}.{number}", ("ip", "netns", "exec", f"speed{number}"))
            for number in self._numbers
        ]

    def make(self) -> None:
        for bridge in ("speedc", "speedm"):
            ip("link", "add", bridge, "type", "bridge")
            ip("link", "set", bridge, "up")
        ip("address", "add", f"{CLIENTS}.254/24", "dev", "speedc")
        for number in self._numbers:
            name = f"speed{number}"
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
            for kind, network in (("c", CLIENTS), ("m", MEMBERS)):
                near, far = f"speedc{number}" if kind == "c" else f"speedm{number}", f"eth{kind}"
                ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", name)
                ip("link", "set", near, "master", f"speed{kind}", "up")
                ip("-n", name, "address", "add", f"{network}.{number}/24", "dev", far)
                ip("-n", name, "link", "set", far, "up")

    def remove(self) -> None:
        commands = [("netns", "del", f"speed{number}") for number in self._numbers]
        for command in (*commands, ("link", "del", "speedc"), ("link", "del", "speedm")):
            with suppress(subprocess.CalledProcessError):
                ip(*command)

    def cut_off(self, node: Node) -> None:
        """Take a member's link to the others away. Its clients still reach it."""
        ip("link", "set", f"speedm{node.number}", "down")

    def heal(self, node: Node) -> None:
        """Give it back."""
        ip("link", "set", f"speedm{node.number}", "up")
