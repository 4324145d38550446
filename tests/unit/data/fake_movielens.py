"""A small MovieLens, wheel and web server, all on this machine, for the tests of a download."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import socket
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from recbole.data import download, fetching, wheel
from recbole.data.sources.source import Source

RATINGS = "".join(f"{user}\t{user + 1}\t{user % 5 + 1}\t881250949\n" for user in range(1, 20_000))
RAW = {
    "u.data": RATINGS,
    "u.user": "1|24|M|technician|85711\n",
    "u.item": f"1|Cérémonie (1995)|||http://x|{'|'.join('0' * 18)}|1\n",
}
FILES = ["ml-100k.inter", "ml-100k.item", "ml-100k.user"]
NEW_PROCESS = """
import dataclasses, sys, types
from pathlib import Path
import recbole
data = types.ModuleType("recbole.data")  # without its __init__, which imports torch: seconds
data.__path__ = [str(Path(recbole.__file__).with_name("data"))]
sys.modules["recbole.data"] = data
from recbole.data import download
folder, url, md5 = sys.argv[1:]
known = download.SOURCES["ml-100k"]
(archive,) = known.files
files = (dataclasses.replace(archive, md5=md5),)
download.SOURCES["ml-100k"] = dataclasses.replace(known, files=files)
download.ensure_dataset("ml-100k", Path(folder), base_url=url)
"""


def zipped(members: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text.encode("latin-1"))
    return buffer.getvalue()


OFFICIAL = zipped({f"ml-100k/{name}": text for name, text in RAW.items()})
MD5 = hashlib.md5(OFFICIAL).hexdigest()


def with_md5(source: Source, md5: str) -> Source:
    (archive,) = source.files
    return dataclasses.replace(source, files=(dataclasses.replace(archive, md5=md5),))


class Server:
    """A web server on this machine.

    `routes` says what it answers, `hold` stops it half-way, `cuts` are the bytes after which it
    hangs up, one for each answer, `moved` names what is elsewhere. Where it knows the `version` of
    its files, it goes on with a part of one, from the byte noted in `resumed` (and, out of order,
    `skips` bytes later).
    """

    def __init__(self) -> None:
        self.routes: dict[str, tuple[int, bytes, int]] = {}
        self.moved: dict[str, str] = {}
        self.asked: list[str] = []
        self.resumed: list[int] = []
        self.cuts: list[int] = []
        self.version: str | None = None
        self.skips = 0
        self.hold: threading.Event | None = None
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.rpartition("/")[2]
                server.asked.append(name)
                hold = server.hold if name.endswith(".zip") else None
                if name in server.moved:
                    self.send_response(302)
                    self.send_header("Location", server.moved[name])
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                status, body, length = server.routes.get(name, (404, b"no such file", 12))
                body, length = self.part_of(status, body, length)
                half = len(body) // 2
                if name.endswith(".zip") and server.cuts:
                    half, body = 0, body[: server.cuts.pop(0)]
                try:
                    self.wfile.write(body[:half])
                    self.wfile.flush()
                    if hold is not None:
                        hold.wait(30)
                    self.wfile.write(body[half:])
                except OSError:
                    self.close_connection = True  # the client was killed

            def part_of(self, status: int, body: bytes, length: int) -> tuple[bytes, int]:
                """Send the headers; return what is to be sent of the body."""
                wanted = self.headers.get("Range")
                same = server.version and self.headers.get("If-Range") == server.version
                if status == 200 and wanted and same:
                    start = int(wanted.removeprefix("bytes=").removesuffix("-"))
                    server.resumed.append(start)
                    start += server.skips
                    if start >= length:
                        self.send_response(416)
                        self.send_header("Content-Range", f"bytes */{length}")
                        self.send_header("Content-Length", "0")
                        self.end_headers()
                        return b"", 0
                    self.send_response(206)
                    self.send_header("Content-Range", f"bytes {start}-{length - 1}/{length}")
                    body, length = body[start:], length - start
                else:
                    self.send_response(status)
                if server.version:
                    self.send_header("ETag", server.version)
                self.send_header("Content-Length", str(length))
                self.end_headers()
                return body, length

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/movielens"

    def serve(self, name: str, body: bytes, status: int = 200, length: int | None = None) -> None:
        self.routes[name] = (status, body, len(body) if length is None else length)


WHEEL_FILES = {file: f"a:token\n{file}\n" for file in FILES}
WHEEL = zipped(
    {f"recbole/dataset_example/ml-100k/{name}": text for name, text in WHEEL_FILES.items()}
    | {"recbole/__init__.py": "raise SystemExit"}
)


def pip_that_brings(content: bytes, name: str = wheel.WHEEL_NAME) -> Callable[[Path], None]:
    def bring(into: Path) -> None:
        (into / name).write_bytes(content)

    return bring


def refused_url() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def assert_nothing_left(folder: Path) -> None:
    assert [path.name for path in folder.parent.iterdir()] == []


def assert_converted(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == FILES
    assert (folder / "ml-100k.inter").read_text().partition("\n")[2] == RATINGS
    assert "1\tCérémonie\t1995\tWestern\n" in (folder / "ml-100k.item").read_text("utf-8")
    assert [path.name for path in folder.parent.iterdir()] == ["ml-100k"]


def trust(monkeypatch: pytest.MonkeyPatch, archive: bytes) -> None:
    trusted = with_md5(download.SOURCES["ml-100k"], hashlib.md5(archive).hexdigest())
    monkeypatch.setitem(download.SOURCES, "ml-100k", trusted)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv(download.URL_VARIABLE, raising=False)
    monkeypatch.delenv(download.TIMEOUT_VARIABLE, raising=False)
    served = Server()
    served.serve("ml-100k.zip", OFFICIAL)
    served.serve("ml-100k.zip.md5", f"MD5 (ml-100k.zip) = {MD5}\n".encode())
    thread = threading.Thread(target=served.http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield served
    if served.hold is not None:
        served.hold.set()
    served.http.shutdown()
    thread.join()
    served.http.server_close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "dataset" / "ml-100k"


@pytest.fixture(autouse=True)
def known_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """The small archive stands for the official one, and a small wheel for the published one."""
    for name in ("ml-100k", "ml-1m"):
        known = with_md5(download.SOURCES[name], MD5)
        sha256 = known.wheel_sha256 and hashlib.sha256(WHEEL).hexdigest()
        changed = dataclasses.replace(known, wheel_sha256=sha256)
        monkeypatch.setitem(download.SOURCES, name, changed)
    monkeypatch.setattr(wheel, "_pip_download", pip_that_must_not_run)
    monkeypatch.setattr(fetching, "PAUSE_SECONDS", 0.0)


def pip_that_must_not_run(into: Path) -> None:
    raise AssertionError("the wheel was asked for")
