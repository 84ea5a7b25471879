"""Files written whole or not at all: permissions, links, errors, dead writers, and a writer killed at any moment."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import random
import signal
import stat
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from cnn.storage.atomic import write_atomically

TIME_LIMIT = 60  # seconds, that only a hang reaches


@pytest.fixture
def old(tmp_path):
    """A file that is there before the test writes."""
    path = tmp_path / "target"
    path.write_bytes(b"old")
    return path


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


# ---- what is written -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"new", bytes(range(256)) * 5000])
@pytest.mark.parametrize("as_path", [str, Path])
def test_the_file_holds_the_bytes_and_nothing_else_is_left(tmp_path, data, as_path):
    for _ in range(2):  # a new file, then an old one
        write_atomically(as_path(tmp_path / "target"), data)
        assert (tmp_path / "target").read_bytes() == data
        assert names(tmp_path) == ["target"]


NAMES = ["ü ß.safetensors", ".hidden", "-rf", "a" * 255, "new\nline", "*?["]


@pytest.mark.parametrize("name", [*NAMES, "\udcff"] if sys.platform == "linux" else NAMES)
def test_a_name_may_be_any_that_the_system_takes(tmp_path, name):
    write_atomically(tmp_path / name, b"new")
    assert names(tmp_path) == [name]


def test_a_path_may_be_relative(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_atomically("target", b"new")
    assert (tmp_path / "target").read_bytes() == b"new"


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_a_new_file_has_the_permissions_of_a_plainly_written_one(tmp_path, umask):
    before = os.umask(umask)
    try:
        write_atomically(tmp_path / "ours", b"new")
        (tmp_path / "plain").write_bytes(b"new")
    finally:
        os.umask(before)
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_an_old_file_keeps_its_permissions(old):
    old.chmod(0o640)
    write_atomically(old, b"new")
    assert stat.S_IMODE(old.stat().st_mode) == 0o640


def test_a_reader_of_the_old_file_goes_on_reading_it(old):
    with open(old, "rb") as file:
        write_atomically(old, b"new")
        assert file.read() == b"old"


def test_a_link_stays_one_and_its_target_is_written(tmp_path, old):
    (tmp_path / "folder").mkdir()
    link = tmp_path / "folder" / "link"
    link.symlink_to("../target")
    write_atomically(link, b"new")
    assert link.is_symlink()
    assert old.read_bytes() == b"new"
    assert names(tmp_path / "folder") == ["link"]


def test_a_link_to_nothing_gets_its_target(tmp_path):
    (tmp_path / "link").symlink_to("target")
    write_atomically(tmp_path / "link", b"new")
    assert names(tmp_path) == ["link", "target"]
    assert (tmp_path / "target").read_bytes() == b"new"


# ---- what is refused -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [b"target", 3, None, ["target"], object()])
def test_what_is_no_path_is_a_type_error(bad):
    with pytest.raises(TypeError, match=r"^path must be a str"):
        write_atomically(bad, b"new")


@pytest.mark.parametrize("bad", ["", "a\0b"])
def test_a_path_that_names_no_file_is_a_value_error(bad):
    with pytest.raises(ValueError, match=r"^path must name a file"):
        write_atomically(bad, b"new")


def make_folder(path):
    path.mkdir()


def make_pipe(path):
    os.mkfifo(path)


def make_loop(path):
    path.symlink_to(path.name)


def make_link_to_a_device(path):
    path.symlink_to("/dev/null")


@pytest.mark.parametrize("make", [make_folder, make_pipe, make_loop, make_link_to_a_device])
def test_what_is_no_regular_file_is_never_replaced(tmp_path, make):
    path = tmp_path / "target"
    make(path)
    before = path.lstat()
    with pytest.raises(OSError, match="target") as error:
        write_atomically(path, b"new")
    assert error.value.filename == str(path)
    assert path.lstat().st_ino == before.st_ino
    assert names(tmp_path) == ["target"]


def test_a_device_is_never_replaced():
    with pytest.raises(OSError, match="no regular file"):
        write_atomically("/dev/null", b"new")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_a_path_with_a_slash_at_its_end_is_that_of_a_folder(tmp_path):
    with pytest.raises(IsADirectoryError):
        write_atomically(f"{tmp_path}/target/", b"new")
    assert names(tmp_path) == []


def test_a_folder_that_is_missing_is_an_error_and_is_not_made(tmp_path):
    with pytest.raises(FileNotFoundError, match="missing/target"):
        write_atomically(tmp_path / "missing" / "target", b"new")
    assert names(tmp_path) == []


def test_a_file_in_the_place_of_a_folder_is_an_error(old):
    with pytest.raises(NotADirectoryError):
        write_atomically(old / "target", b"new")
    assert old.read_bytes() == b"old"


# Root may write everywhere, so the program becomes nobody where it can.
READ_ONLY = """
    import os, sys, tempfile
    from cnn.storage.atomic import write_atomically
    if os.geteuid() == 0:
        os.setuid(65534)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "target")
        with open(path, "wb") as file:
            file.write(b"old")
        os.chmod(folder if sys.argv[1] == "folder" else path, 0o555)
        try:
            write_atomically(path, b"new")
        except PermissionError as error:
            os.chmod(folder, 0o755)
            with open(path, "rb") as file:
                print(error.filename == path, file.read(), os.listdir(folder))
"""


@pytest.fixture
def run():
    """Run a program with arguments to its end; its output."""

    def run(program, *arguments) -> str:
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program), *map(str, arguments)],
            capture_output=True, text=True, timeout=TIME_LIMIT,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.mark.parametrize("which", ["folder", "file"])
def test_what_is_read_only_is_left_as_it_is(run, which):
    assert run(READ_ONLY, which) == "True b'old' ['target']\n"


# ---- a disk that is full ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["write", "fsync", "replace", "fchmod"])
def test_an_error_on_the_way_leaves_the_old_file_and_no_other(old, monkeypatch, call):
    def fails(*arguments, **options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, fails)
    with pytest.raises(OSError, match="No space left") as error:
        write_atomically(old, b"new")
    monkeypatch.undo()
    assert (error.value.errno, error.value.filename) == (errno.ENOSPC, str(old))
    assert old.read_bytes() == b"old"
    assert names(old.parent) == ["target"]


def test_the_bytes_are_on_the_disk_before_the_name_and_the_name_before_the_end(old, monkeypatch):
    calls, fsync, replace = [], os.fsync, os.replace

    def synced(descriptor):
        calls.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def replaced(*paths):
        calls.append("name")
        replace(*paths)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    write_atomically(old, b"new")
    assert calls == ["file", "name", "folder"]


@pytest.mark.parametrize(("code", "matters"), [(errno.EINVAL, False), (errno.EIO, True)])
def test_a_file_system_need_not_know_how_to_sync_a_folder_but_must_not_fail(old, monkeypatch, code, matters):
    def fails(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="cannot be written") if matters else contextlib.nullcontext():
        write_atomically(old, b"new")
    assert old.read_bytes() == b"new"
    assert names(old.parent) == ["target"]


def test_an_interruption_leaves_the_old_file_and_no_other(old, monkeypatch):
    def interrupted(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(old, b"new")
    assert old.read_bytes() == b"old"
    assert names(old.parent) == ["target"]


def test_a_file_larger_than_the_system_allows_leaves_the_old_one(old, run):
    program = """
        import resource, signal, sys
        from cnn.storage.atomic import write_atomically
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            write_atomically(sys.argv[1], bytes(150_000))
        except OSError as error:
            print(error.filename == sys.argv[1])
    """
    assert run(program, old) == "True\n"
    assert old.read_bytes() == b"old"
    assert names(old.parent) == ["target"]


def test_a_write_in_several_pieces_is_whole(tmp_path, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:1000]))
    data = random.Random(0).randbytes(12345)
    write_atomically(tmp_path / "target", data)
    assert (tmp_path / "target").read_bytes() == data


# ---- dead writers, and living ones -----------------------------------------------------------------------------


def stray(tmp_path, monkeypatch, name="target") -> Path:
    """The temporary file of a writer to `name` that died before it could give it that name."""
    before = set(names(tmp_path))
    with monkeypatch.context() as patch:
        for call in ("replace", "unlink"):
            patch.setattr(os, call, lambda *paths: (_ for _ in ()).throw(OSError(errno.EIO, "died")))
        with pytest.raises(OSError, match="died"):
            write_atomically(tmp_path / name, b"half")
    (left,) = set(names(tmp_path)) - before
    return tmp_path / left


def test_the_next_writer_sweeps_what_a_dead_one_left(tmp_path, monkeypatch):
    stray(tmp_path, monkeypatch)
    stray(tmp_path, monkeypatch)
    assert len(names(tmp_path)) == 2
    write_atomically(tmp_path / "target", b"new")
    assert names(tmp_path) == ["target"]


def test_what_others_left_or_look_after_is_not_swept(tmp_path, monkeypatch):
    of_another = stray(tmp_path, monkeypatch, "another")
    unrelated = [".cnn-notes", "target.tmp", f"{stray(tmp_path, monkeypatch).name}.bak"]
    for name in unrelated:
        (tmp_path / name).write_bytes(b"mine")
    write_atomically(tmp_path / "target", b"new")
    assert names(tmp_path) == sorted([of_another.name, "target", *unrelated])


def test_the_file_of_a_living_writer_is_not_swept(tmp_path, monkeypatch):
    path = stray(tmp_path, monkeypatch)
    with open(path, "rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        write_atomically(tmp_path / "target", b"new")
        assert path.exists()
    write_atomically(tmp_path / "target", b"new")
    assert not path.exists()


def test_a_writer_is_not_swept_by_another_before_it_has_finished(tmp_path, monkeypatch):
    replace = os.replace

    def late(*paths):
        monkeypatch.setattr(os, "replace", replace)
        write_atomically(tmp_path / "target", b"other")
        replace(*paths)

    monkeypatch.setattr(os, "replace", late)
    write_atomically(tmp_path / "target", b"new")
    assert (tmp_path / "target").read_bytes() == b"new"
    assert names(tmp_path) == ["target"]


def test_a_writer_that_is_swept_before_it_has_its_lock_begins_anew(tmp_path, monkeypatch):
    flock = fcntl.flock

    def late(descriptor, how):
        monkeypatch.setattr(fcntl, "flock", flock)
        write_atomically(tmp_path / "target", b"other")
        assert names(tmp_path) == ["target"]
        flock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", late)
    write_atomically(tmp_path / "target", b"new")
    assert (tmp_path / "target").read_bytes() == b"new"
    assert names(tmp_path) == ["target"]


def test_a_link_that_is_named_like_a_temporary_file_is_not_followed(tmp_path, monkeypatch):
    path = stray(tmp_path, monkeypatch)
    path.unlink()
    (tmp_path / "precious").write_bytes(b"mine")
    path.symlink_to("precious")
    write_atomically(tmp_path / "target", b"new")
    assert (tmp_path / "precious").read_bytes() == b"mine"


def test_many_writers_at_once_leave_the_file_of_one_of_them(tmp_path):
    contents = [bytes([i]) * 100_000 for i in range(8)]

    def write(data):
        for _ in range(20):
            write_atomically(tmp_path / "target", data)

    threads = [threading.Thread(target=write, args=(data,)) for data in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "target").read_bytes() in contents
    assert names(tmp_path) == ["target"]


# Each save of 300 kB is of one byte, repeated; so a mixture of two would be seen.
SAVES = f"""
    import signal, sys
    signal.alarm({TIME_LIMIT})  # of its own: nobody kills it if the tests are ended
    from cnn.storage.atomic import write_atomically
    print("ready", flush=True)
    for i in range(10**9):
        write_atomically(sys.argv[1], bytes([i % 256]) * 300_000)
"""


def kill_while_saving(path: Path, moments: list[float]) -> int:
    """Kill a process that saves after each of so many seconds; how many left a temporary file for the next one."""
    strays = 0
    for moment in moments:
        process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(SAVES), str(path)], stdout=subprocess.PIPE)
        assert process.stdout.readline() == b"ready\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(moment)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        content = path.read_bytes()
        assert content in (b"old", content[:1] * 300_000)
        assert len(names(path.parent)) <= 2
        strays += len(names(path.parent)) - 1
    return strays


def test_a_writer_killed_at_any_moment_leaves_a_whole_file(old):
    rng = random.Random(0)
    kill_while_saving(old, [rng.uniform(0, 0.05) for _ in range(5)])
    write_atomically(old, b"new")
    assert names(old.parent) == ["target"]


@pytest.mark.slow
def test_a_writer_killed_at_a_hundred_moments_leaves_whole_files_and_strays_that_are_swept(old):
    rng = random.Random(1)
    assert kill_while_saving(old, [rng.uniform(0, 0.05) for _ in range(100)]) > 0
    write_atomically(old, b"new")
    assert names(old.parent) == ["target"]
