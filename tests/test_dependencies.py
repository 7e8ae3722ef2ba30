"""No installed package has a known vulnerability; needs the network."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.long
def test_no_dependency_has_a_known_vulnerability(tmp_path):
    program = shutil.which("pip-audit", path=str(Path(sys.executable).parent))
    assert program, "pip-audit is not installed; `bash tests/run.sh` installs it"
    report = tmp_path / "audit.json"
    options = [
        "--local",
        "--skip-editable",
        "--progress-spinner=off",
        "--timeout=10",
        "--format=json",
        f"--output={report}",
    ]
    done = subprocess.run([program, *options], capture_output=True, text=True, timeout=300)
    packages = json.loads(report.read_text())["dependencies"] if report.exists() else []
    if not any("vulns" in each for each in packages):
        pytest.skip(f"the database of vulnerabilities cannot be reached: {done.stderr.strip().splitlines()[-1:]}")
    found = {
        each["name"]: [vulnerability["id"] for vulnerability in each["vulns"]] for each in packages if each.get("vulns")
    }
    assert found == {}
