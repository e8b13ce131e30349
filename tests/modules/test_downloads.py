"""Downloads, against a small server on loopback that can break off, know no ranges, and lie."""

import hashlib
import http.server
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tinytorch.given import downloads, transfer
from tinytorch.given.image_files import DataCorrupt
from tinytorch.given.transfer import DownloadError, RemoteFile, download

CONTENT = bytes(range(256)) * 4096  # 1 MiB


class Server(http.server.ThreadingHTTPServer):
    """Serves CONTENT under every path. `requests` keeps (path, Range header); the flags say how it misbehaves."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.ranges, self.break_after, self.requests = CONTENT, True, None, []

    def url(self, path: str = "/file") -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{path}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.requests.append((self.path, asked))
        if self.path == "/missing":
            self.send_error(404)
            return
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and self.server.ranges else 0
        body = self.server.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.server.break_after])

    def log_message(self, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def remote(*urls: str, content: bytes = CONTENT) -> RemoteFile:
    md5, sha256 = hashlib.md5(content).hexdigest(), hashlib.sha256(content).hexdigest()
    return RemoteFile("data.bin", urls, len(content), md5, sha256)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def test_a_file_arrives_whole_and_reports_its_progress(server, tmp_path) -> None:
    seen = []
    path = download(remote(server.url()), tmp_path, lambda *numbers: seen.append(numbers))
    assert path.read_bytes() == CONTENT
    assert names(tmp_path) == ["data.bin"]
    done = [d for _, d, _ in seen]
    assert done == sorted(done) and done[-1] == len(CONTENT) and len(done) > 1
    assert {(name, total) for name, _, total in seen} == {("data.bin", len(CONTENT))}


def test_a_file_that_is_there_is_not_fetched_again(server, tmp_path) -> None:
    (tmp_path / "data.bin").write_bytes(b"mine")
    assert download(remote(server.url()), tmp_path).read_bytes() == b"mine"
    assert server.requests == []


@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_download_goes_on_where_it_stopped(server, tmp_path, ranges) -> None:
    server.break_after = 700_000
    with pytest.raises(DownloadError, match=r"1,048,576 bytes of data.bin, received 700,000 .* it goes on from there"):
        download(remote(server.url()), tmp_path)
    assert names(tmp_path) == ["data.bin.part"]
    server.break_after, server.ranges = None, ranges
    seen = []
    path = download(remote(server.url()), tmp_path, lambda name, done, total: seen.append(done))
    assert path.read_bytes() == CONTENT
    assert server.requests[-1] == ("/file", "bytes=700000-")
    assert (seen[0] > 700_000) is ranges
    assert names(tmp_path) == ["data.bin"]


def test_a_complete_part_needs_no_network(server, tmp_path) -> None:
    (tmp_path / "data.bin.part").write_bytes(CONTENT)
    assert download(remote("http://127.0.0.1:9/nobody"), tmp_path).read_bytes() == CONTENT


def test_a_wrong_file_is_refused_and_kept_aside(server, tmp_path) -> None:
    server.content = b"x" * len(CONTENT)
    for expected in ("data.bin.refused", "data.bin.refused-2"):
        with pytest.raises(DataCorrupt, match=f"SHA-256 .* set aside as {expected}; run the same command") as caught:
            download(remote(server.url()), tmp_path)
        assert "\n" not in str(caught.value)
        assert (tmp_path / expected).read_bytes() == server.content
    assert names(tmp_path) == ["data.bin.refused", "data.bin.refused-2"]
    server.content = CONTENT
    assert download(remote(server.url()), tmp_path).read_bytes() == CONTENT


def test_a_server_with_another_file_is_not_listened_to(server, tmp_path) -> None:
    server.content = b"<html>sorry</html>"
    with pytest.raises(DownloadError, match="offers 18 bytes, another file"):
        download(remote(server.url()), tmp_path)
    assert names(tmp_path) == []


def test_the_next_address_is_tried(server, tmp_path) -> None:
    path = download(remote(server.url("/missing"), server.url("/file")), tmp_path)
    assert path.read_bytes() == CONTENT
    assert [p for p, _ in server.requests] == ["/missing", "/file"]
    with pytest.raises(DownloadError, match=r"404 Not Found; 127.0.0.1:\d+: the server says 404"):
        download(replace(remote(server.url("/missing"), server.url("/missing")), filename="other"), tmp_path)


def test_no_server_is_known_at_once(tmp_path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/file"
    start = time.perf_counter()
    with pytest.raises(DownloadError, match=r"received 0 .*refused"):
        download(remote(url), tmp_path)
    assert time.perf_counter() - start < 5


def test_a_network_that_does_not_answer_is_known_within_five_seconds(tmp_path, monkeypatch) -> None:
    hang = threading.Event()

    def never(*args: object, **kwargs: object) -> None:
        hang.wait(30)
        raise OSError("too late")

    monkeypatch.setattr(transfer.socket, "create_connection", never)
    start = time.perf_counter()
    with pytest.raises(DownloadError, match="no answer within 4 seconds"):
        download(remote("http://192.0.2.1/file"), tmp_path)
    assert time.perf_counter() - start < 5
    hang.set()


def test_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)  # the tests may run as root, for whom every folder can be written
    with pytest.raises(DownloadError, match=f"write to {tmp_path / 'locked'}, found: Permission denied"):
        download(remote("http://127.0.0.1:9/"), tmp_path / "locked")


def test_two_downloads_at_once_make_one_file(server, tmp_path) -> None:
    results: list[Path] = []
    threads = [
        threading.Thread(target=lambda: results.append(download(remote(server.url()), tmp_path))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [tmp_path / "data.bin"] * 3
    assert len(server.requests) == 1


# ---- whole data sets -----------------------------------------------------------------------------


def test_fetch_gets_what_is_missing_and_checks_it(server, tmp_path, monkeypatch) -> None:
    checked = []
    files = tuple(replace(remote(server.url(f"/{n}")), filename=n) for n in ("a.gz", "b.gz"))
    source = replace(downloads.SOURCES["mnist"], files=files, check=checked.append)
    monkeypatch.setitem(downloads.SOURCES, "mnist", source)
    assert downloads.fetch("mnist", tmp_path) == tmp_path / "mnist"
    assert checked == [tmp_path / "mnist"]
    assert [p for p, _ in server.requests] == ["/a.gz", "/b.gz"]
    assert downloads.fetch("mnist", tmp_path) == tmp_path / "mnist"
    assert len(server.requests) == 2, "what is there is not fetched again"


def test_fetch_completes_a_folder_in_which_a_file_is_missing(server, tmp_path, monkeypatch) -> None:
    files = tuple(replace(remote(server.url(f"/{n}")), filename=n) for n in ("a.gz", "b.gz"))

    def check(folder: Path) -> None:
        if not (folder / "b.gz").is_file():
            raise DataCorrupt("Expected b.gz, found none.")

    monkeypatch.setitem(downloads.SOURCES, "mnist", replace(downloads.SOURCES["mnist"], files=files, check=check))
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "a.gz").write_bytes(b"mine")
    downloads.fetch("mnist", tmp_path)
    assert (tmp_path / "mnist" / "a.gz").read_bytes() == b"mine"
    assert [p for p, _ in server.requests] == ["/b.gz"]


def test_pinned_facts_have_the_right_form() -> None:
    for source in downloads.SOURCES.values():
        for file in source.files:
            assert len(file.md5) == 32 and len(file.sha256) == 64
            assert set(file.md5 + file.sha256) <= set("0123456789abcdef")
            assert file.size > 0 and all(url.endswith(file.filename) for url in file.urls)
