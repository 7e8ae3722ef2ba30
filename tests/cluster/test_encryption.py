"""A real MySQL with its default way to sign in, caching_sha2_password, with and without TLS."""

import shutil
import subprocess
import sys

import pytest

from speeddash.errors import SettingsError, StoreError, StoreMisconfigured
from speeddash.store import open_store
from tests.mariadb import PASSWORD, USER
from tests.mysql import private_mysql

pytestmark = pytest.mark.cluster
CIPHER = "SHOW STATUS LIKE 'Ssl_cipher'"


def openssl(*words, folder):
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """An authority, and a certificate of it for 127.0.0.1."""
    folder = tmp_path_factory.mktemp("certificates")
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca", "-days", "2",
            "-addext", "keyUsage=critical,keyCertSign", folder=folder)  # fmt: skip
    openssl(
        "req",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        "key.pem",
        "-out",
        "request.pem",
        "-subj",
        "/CN=db",
        folder=folder,
    )
    (folder / "names").write_text("subjectAltName = IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names",
            "-out", "cert.pem", "-days", "2", folder=folder)  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def mysql(certificates):
    with private_mysql() as server:
        for name in ("ca.pem", "cert.pem", "key.pem"):
            shutil.copy(certificates / name, server.folder / name)
        inside = "/" + server.folder.name
        server.execute(
            f"SET GLOBAL ssl_ca = '{inside}/ca.pem'", f"SET GLOBAL ssl_cert = '{inside}/cert.pem'",
            f"SET GLOBAL ssl_key = '{inside}/key.pem'", "ALTER INSTANCE RELOAD TLS",
        )  # fmt: skip
        yield server


@pytest.fixture
def url(mysql):
    # Forgets who has signed in: only the first time asks for the password itself.
    mysql.execute("FLUSH PRIVILEGES")
    return mysql.create("speed")


def cipher(url):
    """Store's connection as it is encrypted; empty without."""
    store = open_store(url)
    try:
        store.prepare()
        with store.database.engine.connect() as connection:
            return connection.exec_driver_sql(CIPHER).fetchone()[1]
    finally:
        store.close()


def test_user_is_of_the_default_kind(mysql):
    assert mysql.execute(f"SELECT plugin FROM mysql.user WHERE user = '{USER}'") == [("caching_sha2_password",)]


def test_tls_is_used_where_it_is_offered(url):
    assert cipher(url).startswith("TLS_")


def test_authority_of_the_url_is_checked(url, certificates, mysql):
    assert cipher(f"{url}?ssl_ca={certificates / 'ca.pem'}").startswith("TLS_")
    own = mysql.folder / "data/ca.pem"  # another authority: the one that the server has made for itself
    with pytest.raises(StoreMisconfigured, match="CERTIFICATE_VERIFY_FAILED"):
        cipher(f"{url}?ssl_ca={own}")
    with pytest.raises(SettingsError, match=r"ssl_ca: there is no file /nowhere\.pem"):
        open_store(f"{url}?ssl_ca=/nowhere.pem")


def test_name_of_the_certificate_is_checked(url, certificates):
    other = url.replace("127.0.0.1", "localhost")
    with pytest.raises(StoreError, match="certificate is not valid for 'localhost'"):
        cipher(f"{other}?ssl_ca={certificates / 'ca.pem'}")
    assert cipher(f"{other}?ssl_ca={certificates / 'ca.pem'}&ssl_check_hostname=false").startswith("TLS_")


def test_server_that_wants_tls_gets_no_password_without_it(url, mysql):
    mysql.execute(f"ALTER USER {USER}@'%' REQUIRE SSL")
    try:
        with pytest.raises(StoreError):
            cipher(f"{url}?ssl_disabled=true")
        assert cipher(url).startswith("TLS_")
    finally:
        mysql.execute(f"ALTER USER {USER}@'%' REQUIRE NONE")


def test_without_tls_the_password_is_encrypted_by_the_extra_rsa(url, mysql):
    pytest.importorskip("cryptography")
    assert cipher(f"{url}?ssl_disabled=true") == ""


def test_missing_extra_is_named_at_the_start(url):
    """In a process that cannot import `cryptography`."""
    code = (
        "import sys; sys.modules['cryptography'] = None\n"
        "for each in [name for name in sys.modules if name.startswith('cryptography.')]: del sys.modules[each]\n"
        "from speeddash.store import open_store\n"
        f"open_store({url + '?ssl_disabled=true'!r}).prepare()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "pip install 'speeddash[rsa]'" in done.stderr.splitlines()[-1]
    assert PASSWORD not in done.stderr
