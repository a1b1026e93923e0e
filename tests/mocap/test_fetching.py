"""`ablate data fetch cmu` against a server on this machine: polite, whole or not at all, and never twice."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from ablate.cli.app import app
from ablate.data import load
from ablate.data.cmu import ACKNOWLEDGEMENT, FILE, LICENCE
from ablate.data.config import DataConfig
from ablate.mocap.clips import clips
from tests.conftest import SHARED
from tests.mocap import acting
from tests.mounting import mounted, remount

RAW = SHARED / "mocap" / "raw"
PROVENANCE = SHARED / "mocap" / "provenance.csv"


@dataclass
class Site:
    """Files by their path, as CMU's site lays them out, and what was asked of it. ``broken`` breaks off in the middle
    of a file, once; ``at_once`` counts requests that were answered at the same time."""

    files: dict[str, bytes]
    asked: list[str] = field(default_factory=list)
    agents: set[str] = field(default_factory=set)
    broken: str = ""
    now: int = 0
    at_once: int = 0
    url: str = ""


class Answers(BaseHTTPRequestHandler):
    """Of one site, which the server carries."""

    def do_GET(self) -> None:
        site: Site = self.server.site  # type: ignore[attr-defined]
        name = self.path.lstrip("/")
        site.asked.append(name)
        site.agents.add(self.headers["User-Agent"])
        site.now += 1
        site.at_once = max(site.at_once, site.now)
        content = site.files.get(name)
        if content is None:
            site.now -= 1
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if name == site.broken:
            site.broken = ""
            content = content[: len(content) // 2]
        self.wfile.write(content[:-1])
        site.now -= 1  # with the last byte the next request may be there before this one's end
        self.wfile.write(content[-1:])

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def serving(site: Site) -> Iterator[Site]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.site = site  # type: ignore[attr-defined]
    site.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """All clips of the dataset, each a few frames long."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    skeleton, motion = acting.asf().encode(), acting.amc(acting.acted(13)).encode()
    files: dict[str, bytes] = {}
    for clip in clips().values():
        files |= dict(zip(clip.files, (skeleton, motion), strict=True))
    with serving(Site(files)) as running:
        yield running


def run(site: Site, home: Path, *more: str) -> Result:
    arguments = ["--home", str(home), "data", "fetch", "cmu", "--url", site.url, "--pause", "0", *more]
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})


def told(site: Site, home: Path, *more: str) -> Any:
    done = run(site, home, *more, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def refused(site: Site, home: Path, *more: str) -> str:
    done = run(site, home, *more)
    assert done.exit_code == 2, done.output
    assert "Traceback" not in done.output
    return done.stderr


def lying(home: Path) -> set[str]:
    """What lies there, but for the list of checksums."""
    folder = home / "data" / "cmu"
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} - {"checksums.json"}


def test_everything_is_fetched_once_and_is_the_dataset(site: Site, tmp_path: Path) -> None:
    done = run(site, tmp_path)
    assert done.exit_code == 0, done.output
    said = " ".join(done.stdout.split())
    assert LICENCE in said
    assert ACKNOWLEDGEMENT in said
    assert f"{len(site.files)} files fetched, 0 were there" in said
    assert sorted(site.asked) == sorted(site.files)
    assert site.at_once == 1
    (agent,) = site.agents
    assert agent.startswith("pose-ablate/")
    assert lying(tmp_path) == set(site.files)
    splits = load(DataConfig(name="cmu", cameras=1), 3, tmp_path)
    assert splits.info["clips"] == {"train": 39, "validation": 6, "test": 26}
    assert splits.info["licence"] == LICENCE
    made = (tmp_path / "data" / FILE).stat()
    assert told(site, tmp_path)["fetched"] == 0
    assert len(site.asked) == len(site.files)
    assert (tmp_path / "data" / FILE).stat().st_mtime_ns == made.st_mtime_ns


def test_only_the_subjects_that_are_asked_for(site: Site, tmp_path: Path) -> None:
    found = told(site, tmp_path, "--subjects", "09,S05")
    assert found["subjects"] == {"train": ["S05", "S09"], "validation": [], "test": []}
    assert {name.partition("/")[0] for name in site.asked} == {"05", "09"}
    found = told(site, tmp_path, "--subjects", "2", "--subjects", "9")
    assert found["subjects"] == {"train": ["S05", "S09"], "validation": [], "test": ["S02"]}
    assert (found["fetched"], found["there"]) == (8, 3)
    assert len(site.asked) == len(set(site.asked))
    assert "did you mean 'S05'" in refused(site, tmp_path, "--subjects", "S055")


def test_a_broken_connection_leaves_whole_files_and_the_next_run_goes_on(site: Site, tmp_path: Path) -> None:
    site.broken = "05/05_07.amc"
    said = refused(site, tmp_path, "--subjects", "5")
    assert "05/05_07.amc: the connection failed" in said
    assert "goes on from there" in said
    assert not (tmp_path / "data" / FILE).exists()
    whole = lying(tmp_path)
    assert whole
    assert all((tmp_path / "data" / "cmu" / name).read_bytes() == site.files[name] for name in whole)
    asked = len(site.asked)
    found = told(site, tmp_path, "--subjects", "5")
    assert (found["fetched"], found["there"]) == (6 - len(whole), len(whole))
    assert len(site.asked) - asked == 6 - len(whole)


def test_a_file_that_is_missing_there_is_named(site: Site, tmp_path: Path) -> None:
    del site.files["05/05_07.amc"]
    said = refused(site, tmp_path, "--subjects", "5")
    assert "05/05_07.amc: the server refuses it (404" in said
    assert "05/05_07.amc" not in lying(tmp_path)


def test_a_file_that_was_damaged_here_is_fetched_again(site: Site, tmp_path: Path) -> None:
    told(site, tmp_path, "--subjects", "9")
    path = tmp_path / "data" / "cmu" / "09" / "09_11.amc"
    path.write_text("damaged")
    asked = len(site.asked)
    assert told(site, tmp_path, "--subjects", "9")["fetched"] == 1
    assert site.asked[asked:] == ["09/09_11.amc"]
    assert path.read_bytes() == site.files["09/09_11.amc"]


def test_a_file_that_changed_there_is_refused(site: Site, tmp_path: Path) -> None:
    told(site, tmp_path, "--subjects", "9")
    path = tmp_path / "data" / "cmu" / "09" / "09_11.amc"
    path.unlink()
    site.files["09/09_11.amc"] += b"\n"
    said = refused(site, tmp_path, "--subjects", "9")
    assert "is not what it was when it was first fetched" in said
    assert not path.exists()
    assert not [name for name in lying(tmp_path) if name not in site.files]
    sums = tmp_path / "data" / "cmu" / "checksums.json"
    sums.write_text(json.dumps({name: sha for name, sha in json.loads(sums.read_text()).items() if "11" not in name}))
    assert told(site, tmp_path, "--subjects", "9")["fetched"] == 1  # as the message says


def test_a_list_of_checksums_that_cannot_be_read_is_named(site: Site, tmp_path: Path) -> None:
    told(site, tmp_path, "--subjects", "9")
    (tmp_path / "data" / "cmu" / "checksums.json").write_text('{"09/09.asf": ')
    assert "checksums.json: can't be read" in refused(site, tmp_path, "--subjects", "9")
    (tmp_path / "data" / "cmu" / "checksums.json").write_text("[1]")
    assert "checksums.json: is no list" in refused(site, tmp_path, "--subjects", "9")


def test_a_set_that_somebody_put_there_is_not_replaced(site: Site, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / FILE).write_bytes(b"mine")
    assert "was not fetched; move it away" in refused(site, tmp_path, "--subjects", "9")
    assert not site.asked
    assert (tmp_path / "data" / FILE).read_bytes() == b"mine"


def test_nobody_answers(site: Site, tmp_path: Path) -> None:
    site.url = "http://127.0.0.1:9"
    assert "the connection failed" in refused(site, tmp_path, "--subjects", "9")
    assert not lying(tmp_path)


def test_a_full_disk_leaves_whole_files_and_the_next_run_goes_on(site: Site, tmp_path: Path) -> None:
    home = tmp_path / "disk"
    with mounted(home, "size=60k"):
        said = refused(site, home, "--subjects", "14")
        assert "No space left" in said
        assert all((home / "data" / "cmu" / name).read_bytes() == site.files[name] for name in lying(home))
        remount(home, "size=10m")
        assert told(site, home, "--subjects", "14")["clips"] == 23
    assert len(site.asked) <= len(set(site.asked)) + 1


@pytest.mark.skipif(not RAW.is_dir(), reason="the capture files are not beside the repository")
def test_real_files_are_fetched_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    files = {str(path.relative_to(RAW)): path.read_bytes() for path in RAW.rglob("*.a?[cf]")}
    with serving(Site(files)) as real:
        said = refused(real, tmp_path, "--subjects", "16")
    assert "16_04.amc" in said  # the first of this subject's clips, of which only one is here
    assert lying(tmp_path) == {"16/16.asf"}


@pytest.mark.skipif(not PROVENANCE.is_file(), reason="the list of clips is not beside the repository")
def test_the_list_of_clips_is_the_dataset_s_own() -> None:
    import csv

    with PROVENANCE.open() as file:
        rows = {row["cmu"]: row for row in csv.DictReader(file)}
    assert rows.keys() == clips().keys()
    for name, clip in clips().items():
        row = rows[name]
        assert (clip.subject, clip.name, clip.split) == (row["subject"], row["action"], row["split"])
        assert clip.frames == int(row["frames_source"])
        assert float(row["fps_source"]) == 120
