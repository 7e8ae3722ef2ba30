"""The service files: valid, and as closed as they say."""

import os
import re
import shutil
import stat
import subprocess

import pytest

from tests.running import ROOT

#: `systemd-analyze security`, from 0 (closed) to 10.
MAX_EXPOSURE = 2.0


@pytest.mark.parametrize("name", ["speeddash", "speeddash-connect"])
def test_service_file_is_valid_and_hardened(name, tmp_path):
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd is not installed")
    text = (ROOT / f"deploy/{name}.service").read_text()
    path = tmp_path / f"{name}.service"
    path.write_text(text.replace("/opt/speeddash/bin/speeddash", "/bin/true"))  # it must exist
    verified = subprocess.run([analyze, "verify", path], capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stderr) == (0, "")
    security = subprocess.run(
        [analyze, "security", "--offline=true", path], capture_output=True, text=True, check=False
    )
    exposure = re.search(r"exposure level for .*: ([\d.]+)", security.stdout)
    if "offline" in security.stderr:
        pytest.skip("this systemd cannot judge a file that is not installed")
    assert exposure, security.stderr
    assert float(exposure[1]) <= MAX_EXPOSURE


def test_user_and_folders_are_made(tmp_path):
    if shutil.which("systemd-sysusers") is None or os.geteuid() != 0:
        pytest.skip("systemd is not installed, or this is not root")
    (tmp_path / "etc").mkdir()
    for command in (["systemd-sysusers"], ["systemd-tmpfiles", "--create"]):
        kind = command[0].removeprefix("systemd-")
        subprocess.run([*command, f"--root={tmp_path}", ROOT / f"deploy/{kind}.conf"], check=True, capture_output=True)
    assert "/var/lib/speeddash:/usr/sbin/nologin" in (tmp_path / "etc/passwd").read_text()
    modes = [stat.filemode((tmp_path / each).stat().st_mode) for each in ("var/lib/speeddash", "etc/speeddash")]
    assert modes == ["drwx------", "drwxr-x---"]
