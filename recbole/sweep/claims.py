"""Who runs which cell: claims that no two processes can hold, on one machine or on several.

A claim is a file `<key>.<generation>` in a folder that all share. The system creates it for one
process and refuses it to all others (O_EXCL, which network file systems keep too, unlike the locks
that SQLite relies on). Its holder touches it while at work. No claim is ever removed: one whose
holder is gone, or has released it, is superseded by creating the next generation, which again only
one process can. So a holder that was only slow finds a later generation than its own, and knows
that it has lost.
"""

from __future__ import annotations

import json
import os
import platform
import re
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from recbole.data.staging import replacing

#: Seconds between two signs of life, and those without one after which another machine takes over.
#: Network file systems may show a file's time up to a minute late.
HEARTBEAT = 20.0
LEASE = 300.0

_CLAIM = re.compile(r"^(?P<key>[0-9a-f]+)\.(?P<generation>[0-9]+)$")


@dataclass(frozen=True)
class Holder:
    """A process: its host and pid to read, and what tells it from all others."""

    host: str
    machine: str
    pid: int
    started: str
    token: str
    released: bool = False

    @classmethod
    def this_process(cls) -> Holder:
        """The holder that this process is, with a token of its own."""
        pid = os.getpid()
        token = secrets.token_hex(8)
        return cls(platform.node(), _machine(), pid, _start_of(pid) or "", token)

    @property
    def has_ended(self) -> bool | None:
        """Whether the process is gone or has let go; None where it cannot be seen from here."""
        if self.released:
            return True
        if self.machine != _machine():
            return None
        return _start_of(self.pid) != self.started


class Claim:
    """A cell that this process may run, until `release`."""

    def __init__(self, path: Path, holder: Holder, generation: int) -> None:
        self.path, self.holder, self.generation = path, holder, generation

    @property
    def is_held(self) -> bool:
        """Whether no other process has taken over."""
        latest = _latest(self.path.parent, self.path.name.partition(".")[0])
        if latest != self.generation:
            return False
        found = _read(self.path)
        return found is not None and found.token == self.holder.token

    def touch(self) -> None:
        """Show that the holder is at work."""
        os.utime(self.path)

    def release(self) -> None:
        """Let others have the cell."""
        if self.is_held:
            with replacing(self.path) as temporary:
                temporary.write_text(json.dumps(asdict(replace(self.holder, released=True))))

    @contextmanager
    def kept_alive(self, on_loss: Callable[[], None], every: float = HEARTBEAT) -> Iterator[None]:
        """Touch the claim from a thread during the block; call `on_loss` once it is lost."""
        done = threading.Event()

        def beat() -> None:
            while not done.wait(every):
                try:
                    held = self.is_held
                    if held:
                        self.touch()
                except OSError:
                    continue  # the folder is out of reach for a moment; the lease bears that
                if not held:
                    on_loss()
                    return

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


class Claims:
    """The claims in a folder.

    Args:
        folder: shared by all processes.
        lease: seconds without a sign of life after which another machine's claim is void.
    """

    def __init__(self, folder: Path, lease: float = LEASE) -> None:
        self.folder, self.lease = folder, lease
        folder.mkdir(parents=True, exist_ok=True)

    def take(self, key: str) -> Claim | None:
        """Claim a cell; None where another process is at it."""
        latest = _latest(self.folder, key)
        if latest and not self._is_void(self.folder / f"{key}.{latest}"):
            return None
        holder = Holder.this_process()
        path = self.folder / f"{key}.{latest + 1}"
        try:
            with path.open("x", encoding="utf-8") as file:
                json.dump(asdict(holder), file)
        except FileExistsError:
            return None
        return Claim(path, holder, latest + 1)

    def holders(self) -> dict[str, Holder]:
        """Who is at which cell now."""
        found = {}
        for key in {m["key"] for p in self.folder.iterdir() if (m := _CLAIM.match(p.name))}:
            latest = _latest(self.folder, key)
            path = self.folder / f"{key}.{latest}"
            holder = _read(path)
            if holder is not None and not self._is_void(path):
                found[key] = holder
        return found

    def holder(self, key: str) -> Holder | None:
        """Who claimed a cell last and has not let go of it, at work or gone."""
        latest = _latest(self.folder, key)
        found = _read(self.folder / f"{key}.{latest}") if latest else None
        return None if found is None or found.released else found

    def _is_void(self, path: Path) -> bool:
        """Whether the holder of a claim is gone."""
        holder = _read(path)
        ended = None if holder is None else holder.has_ended
        if ended is not None:
            return ended
        try:
            touched = path.stat().st_mtime
        except FileNotFoundError:
            return False  # hidden for a moment by a slow file system; the next look will tell
        return self._now() - touched > self.lease

    def _now(self) -> float:
        """The time by the clock that stamps the files of this folder."""
        probe = self.folder / f".clock.{secrets.token_hex(8)}"
        probe.touch()
        os.utime(probe)
        now = probe.stat().st_mtime
        probe.unlink(missing_ok=True)
        return now


def _generations(folder: Path, key: str) -> list[int]:
    return [int(path.suffix[1:]) for path in folder.glob(f"{key}.*") if _CLAIM.match(path.name)]


def _latest(folder: Path, key: str) -> int:
    return max(_generations(folder, key), default=0)


def _read(path: Path) -> Holder | None:
    """The holder of a claim; None where it is gone, or not yet written."""
    try:
        return Holder(**json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, json.JSONDecodeError):
        return None


def _machine() -> str:
    """What processes see each other: the host, since it was started, and its containers apart."""
    parts = [platform.node()]
    boot, namespace = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    if boot.exists():
        parts.append(boot.read_text().strip())
    if namespace.exists():
        parts.append(str(namespace.readlink()))
    return " ".join(parts)


def _start_of(pid: int) -> str | None:
    """When a process was started, since pids are used again; None where there is no process."""
    stat = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        try:
            # The name, in parentheses, may hold anything; the state is the first field after it.
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if fields[0] in "ZX" else fields[19]
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass  # there is one, of another user
    return ""
