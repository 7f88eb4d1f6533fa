"""What several unit tests share: a hub."""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import unquote, urlsplit

import pytest


@pytest.fixture(scope="session")
def fake_hub():
    """See `_fake_hub`."""
    return _fake_hub


@contextmanager
def _fake_hub(
    repository: str, commit: str, files: dict[str, bytes], kind: str = "datasets/", gated: str = ""
) -> Iterator[str]:
    """A hub on loopback with one repository at one commit, and the name of a gated one; yields its address.

    As much of the Hugging Face Hub's interface as fetching by commit asks for.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(repository, commit, files, kind, gated))
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def _handler(
    repository: str, commit: str, files: dict[str, bytes], kind: str, gated: str
) -> type[BaseHTTPRequestHandler]:
    tree = [{"type": "file", "path": path, "size": len(data), "oid": _etag(data)} for path, data in files.items()]

    class Hub(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path)
            asked = re.fullmatch(rf"/(api/)?{kind}{repository}/(?:tree|resolve)/(\w+)/?(.*)", path)
            if gated and f"/{gated}/" in path:
                self._refuse("GatedRepo", 403)
            elif asked is None:
                self._refuse("RepoNotFound")
            elif asked[2] != commit:
                self._refuse("RevisionNotFound")
            elif asked[1]:
                self._send(200, json.dumps(tree).encode(), {})
            elif asked[3] in files:
                self._send(200, files[asked[3]], {"ETag": f'"{_etag(files[asked[3]])}"'})
            else:
                self._refuse("EntryNotFound")

        do_HEAD = do_GET

        def _refuse(self, code: str, status: int = 404) -> None:
            self._send(status, b"{}", {"X-Error-Code": code, "X-Error-Message": code})

        def _send(self, status: int, data: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for key, value in {**headers, "X-Repo-Commit": commit, "Content-Length": str(len(data))}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Tests stay quiet."""

    return Hub


def _etag(data: bytes) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()
