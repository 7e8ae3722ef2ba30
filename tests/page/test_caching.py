"""What browsers keep of the page's files, and what the server keeps of them compressed."""

import re

import pytest
import requests

from speeddash.page.caching import MAX_COMPRESSED, Compressed
from tests.running import ROOT


@pytest.mark.parametrize("algorithm", ["br", "gzip", "zstd", "identity"])
@pytest.mark.parametrize("name", ["/assets/plotly-basic.min.js", "/assets/page.css", "/live-path.js"])
def test_file_is_kept_under_the_address_of_its_version_alone(page_server, name, algorithm):
    def get(address, **headers):
        return requests.get(page_server.url + address, headers={"Accept-Encoding": algorithm, **headers}, timeout=10)

    address = next(each for each in re.findall(r'(?:src|href)="([^"]+)"', get("/").text) if each.startswith(name))
    assert "immutable" in get(address).headers["Cache-Control"]
    other = get(f"{address}0")  # of another server, which is newer
    assert "immutable" not in other.headers.get("Cache-Control", "")
    if name.startswith("/assets/"):
        assert other.content == get(address).content == (ROOT / name[1:]).read_bytes()
        again = get(name, **{"If-None-Match": other.headers["ETag"]})
        assert again.status_code == 304


def test_cache_of_compressed_files_is_bounded():
    cache = Compressed()
    for n in range(2 * MAX_COMPRESSED):
        cache.set(f"br;/assets/a/../page.css?{n}", b"")
        cache.set("br;", b"nothing")
    assert len(cache) == MAX_COMPRESSED
