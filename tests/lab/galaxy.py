# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Galaxy on loopback, for what ansible-galaxy does with collections: publish, install, download and verify.

It speaks version 3 of the API, with the redirection and the tasks of galaxy.ansible.com, and imports an archive only if
its checksums are right. It knows no roles, no users, no second page of a list, and nothing of what an archive contains.
"""

from __future__ import annotations

import contextlib
import email
import email.policy
import hashlib
import io
import json
import re
import tarfile
import threading
from collections.abc import Iterator, Mapping
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

API = "/api/v3"
CONTENT = f"{API}/plugin/ansible/content/published/collections"
#: The time of everything that is published.
TIME = "2026-01-01T00:00:00.000000Z"
TIMES = {"created_at": TIME, "updated_at": TIME}


class Refused(Exception):
    """The server does not do what was asked for."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail


class Archive:
    """A version of a collection, as its archive describes it; ValueError where a checksum in it is wrong."""

    def __init__(self, filename: str, content: bytes) -> None:
        self.filename, self.content = filename, content
        self.sha256 = hashlib.sha256(content).hexdigest()
        with tarfile.open(fileobj=io.BytesIO(content)) as opened:
            files = {member.name: file.read() for member in opened.getmembers() if (file := opened.extractfile(member))}
        manifest = json.loads(files["MANIFEST.json"])
        listed = [manifest["file_manifest_file"], *json.loads(files["FILES.json"])["files"]]
        for entry in listed:
            found = hashlib.sha256(files.get(entry["name"], b"")).hexdigest()
            if entry["ftype"] == "file" and found != entry["chksum_sha256"]:
                raise ValueError(f"the checksum of {entry['name']} is wrong")
        self.about: dict[str, Any] = manifest["collection_info"]
        self.namespace, self.name, self.version = (self.about[key] for key in ("namespace", "name", "version"))
        needed = re.search(r"^requires_ansible: [\"']?([^\"'\n]+)", files["meta/runtime.yml"].decode(), re.MULTILINE)
        self.requires_ansible = needed[1] if needed else None
        if filename != f"{self.namespace}-{self.name}-{self.version}.tar.gz":
            raise ValueError(f"{filename} is not named after its collection and version")

    @property
    def href(self) -> str:
        return f"{CONTENT}/index/{self.namespace}/{self.name}/versions/{self.version}/"

    def summary(self) -> dict[str, Any]:
        return {"version": self.version, "href": self.href, **TIMES, "requires_ansible": self.requires_ansible}

    def details(self, server: str) -> dict[str, Any]:
        return self.summary() | {
            "artifact": {"filename": self.filename, "sha256": self.sha256, "size": len(self.content)},
            "collection": {"name": self.name, "href": self.href.partition("versions/")[0]},
            "download_url": f"{server}{CONTENT}/artifacts/{self.filename}",
            "name": self.name,
            "namespace": {"name": self.namespace},
            "signatures": [],
            "metadata": {key: self.about[key] for key in ("authors", "dependencies", "description", "license", "tags")},
        }


class Galaxy(ThreadingHTTPServer):
    """The published collections, and the requests so far as method and path."""

    daemon_threads = True

    def __init__(self, token: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.token = token
        self.url = "http://{}:{}".format(*self.server_address)
        self.published: dict[str, Archive] = {}
        #: What is said of each import, the last of it again and again.
        self.imports: list[list[dict[str, Any]]] = []
        self.requests: list[str] = []

    def versions(self, namespace: str, name: str) -> list[Archive]:
        """Return the versions of a collection, newest first as they were published."""
        found = [one for one in self.published.values() if (one.namespace, one.name) == (namespace, name)]
        if not found:
            raise Refused(404, "not_found", "Not found.")
        return found[::-1]

    def publish(self, form: Mapping[str, EmailMessage]) -> dict[str, Any]:
        """Take an archive, and return the task that imports it."""
        filename = form["file"].get_filename() or ""
        content, sha256 = form["file"].get_content(), form["sha256"].get_content().strip()
        if hashlib.sha256(content).hexdigest() != sha256:
            raise Refused(400, "invalid", "The sha256 checksum did not match.")
        if filename in self.published:
            raise Refused(400, "invalid", f"Artifact already exists: {filename}")
        task = {"state": "completed", "started_at": TIME, "finished_at": TIME, "messages": [], "error": None}
        try:
            self.published[filename] = Archive(filename, content)
        except (ValueError, KeyError, tarfile.TarError) as problem:
            task |= {"state": "failed", "error": {"code": "invalid", "description": str(problem)}}
        self.imports.append([{"state": "running", "started_at": TIME, "finished_at": None}, task])
        return {"task": f"{API}/imports/collections/{len(self.imports) - 1}/"}


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Galaxy
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._respond()

    def do_POST(self) -> None:
        self._respond()

    def log_message(self, format: str, *args: object) -> None:
        """Write nothing."""

    def _respond(self) -> None:
        self.server.requests.append(f"{self.command} {self.path}")
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        try:
            status, answer = self._answer(body)
        except Refused as refused:
            error = {"status": str(refused.status), "code": refused.code, "title": refused.detail}
            status, answer = refused.status, {"errors": [error | {"detail": refused.detail}]}
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        if status == 302:
            self.send_header("Location", self.path.replace(f"{API}/collections/", f"{CONTENT}/index/", 1))
        self.send_header("Content-Type", "application/gzip" if isinstance(answer, bytes) else "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _answer(self, body: bytes) -> tuple[int, Any]:
        galaxy, address = self.server, urlsplit(self.path)
        if (self.command, address.path) == ("POST", f"{API}/artifacts/collections/"):
            self._authorize()
            return 202, galaxy.publish(self._form(body))
        if self.command == "GET" and address.path in ("/api", "/api/"):
            return 200, {"available_versions": {"v3": "v3/"}, "server_version": "4.10.0"}
        if self.command == "GET" and address.path.startswith(f"{API}/collections/"):
            return 302, {}
        if self.command == "GET" and (task := re.fullmatch(rf"{API}/imports/collections/(\d+)/", address.path)):
            self._authorize()
            answers = galaxy.imports[int(task[1])]
            return 200, answers.pop(0) if len(answers) > 1 else answers[0]
        if self.command == "GET" and (file := re.fullmatch(rf"{CONTENT}/artifacts/([^/]+)", address.path)):
            if archive := galaxy.published.get(file[1]):
                return 200, archive.content
        elif found := re.fullmatch(rf"{CONTENT}/index/(\w+)/(\w+)/(?:(versions)/(?:([^/]+)/)?)?", address.path):
            return 200, self._collection(galaxy.versions(found[1], found[2]), found[3], found[4])
        raise Refused(404, "not_found", "Not found.")

    def _collection(self, versions: list[Archive], listed: str | None, version: str | None) -> dict[str, Any]:
        if version:
            if chosen := [one for one in versions if one.version == version]:
                return chosen[0].details(self.server.url)
            raise Refused(404, "not_found", "Not found.")
        if listed:
            data = [one.summary() for one in versions]
            return {"meta": {"count": len(data)}, "links": {"next": None}, "data": data}
        namespace, name = versions[0].namespace, versions[0].name
        return {"href": f"{CONTENT}/index/{namespace}/{name}/", "namespace": namespace, "name": name, **TIMES}

    def _authorize(self) -> None:
        if self.headers.get("Authorization") != f"Token {self.server.token}":
            raise Refused(403, "permission_denied", "You do not have permission to perform this action.")

    def _form(self, body: bytes) -> dict[str, EmailMessage]:
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        message = email.message_from_bytes(head + body, policy=email.policy.HTTP)
        assert isinstance(message, EmailMessage)
        return {str(part.get_param("name", header="content-disposition")): part for part in message.iter_parts()}


@contextlib.contextmanager
def galaxy(token: str) -> Iterator[Galaxy]:
    """Run an empty Galaxy that lets whoever has the token publish."""
    with Galaxy(token) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
