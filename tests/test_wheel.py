import subprocess
import sys
import zipfile

from tests.running import ROOT


def test_wheel_carries_assets_and_schema_and_no_tests(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)],
        check=True,
    )
    (wheel,) = tmp_path.glob("speeddash-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"speeddash/{path.relative_to(ROOT)}" for path in (ROOT / "assets").rglob("*") if path.is_file()} <= names
    assert {"speeddash/schema.sql", "speeddash/py.typed", "speeddash/store/mysql.py"} <= names
    assert not [name for name in names if name.startswith("tests/")]
