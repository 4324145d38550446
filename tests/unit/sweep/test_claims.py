"""Claims: one holder at a time, whatever happens to it."""

import json
import os
import subprocess
import threading
import time
from pathlib import Path

import pytest

from recbole.sweep.claims import Claims, Holder, _start_of

KEY = "abc123"


@pytest.fixture
def claims(tmp_path):
    return Claims(tmp_path / "claims")


def file_of(claims, generation=1):
    return claims.folder / f"{KEY}.{generation}"


def rewrite(claims, generation=1, **changes):
    path = file_of(claims, generation)
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def age(path, seconds):
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_only_one_takes_a_cell(claims):
    claim = claims.take(KEY)
    assert claim is not None and claim.is_held
    assert claims.take(KEY) is None
    assert claims.take("def456") is not None
    assert claims.holder(KEY).pid == os.getpid()


def test_released_it_is_free_and_the_old_claim_void(claims):
    first = claims.take(KEY)
    first.release()
    assert claims.holder(KEY) is None
    second = claims.take(KEY)
    assert second is not None and second.generation == 2
    assert not first.is_held
    first.release()  # of no effect
    assert second.is_held and claims.take(KEY) is None


def test_many_threads_one_winner(claims):
    barrier, won = threading.Barrier(16), []

    def grab():
        barrier.wait()
        won.append(claims.take(KEY))

    for _ in range(20):
        won.clear()
        threads = [threading.Thread(target=grab) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        (winner,) = [claim for claim in won if claim is not None]
        winner.release()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_the_claim_of_a_dead_process_is_taken_over_at_once(claims):
    claims.take(KEY)
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
        rewrite(claims, pid=process.pid, started=_start_of(process.pid))
        assert claims.take(KEY) is None and set(claims.holders()) == {KEY}
        process.stdin.close()  # it ends, and as long as nobody waits for it, it is a zombie
        deadline = time.monotonic() + 30
        while claims.holders() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert Path(f"/proc/{process.pid}").exists()
        assert claims.holders() == {}
    assert not Path(f"/proc/{process.pid}").exists()
    assert claims.holders() == {}
    claim = claims.take(KEY)
    assert claim is not None and claim.generation == 2


def test_a_living_process_keeps_its_claim_however_slow(claims):
    claims.take(KEY)
    age(file_of(claims), 10 * claims.lease)
    assert claims.take(KEY) is None
    assert set(claims.holders()) == {KEY}


def test_a_pid_that_was_used_again_is_another_process(claims):
    claims.take(KEY)
    rewrite(claims, started="1")
    assert claims.take(KEY) is not None


def test_another_machine_is_given_its_lease(claims):
    claims.take(KEY)
    rewrite(claims, machine="another", host="another")
    assert claims.take(KEY) is None
    age(file_of(claims), claims.lease - 30)
    assert claims.take(KEY) is None
    age(file_of(claims), claims.lease + 30)
    assert claims.holders() == {}
    assert claims.take(KEY) is not None


def test_a_claim_being_written_counts(claims):
    file_of(claims).touch()
    assert claims.take(KEY) is None
    age(file_of(claims), claims.lease + 30)
    assert claims.take(KEY) is not None


def test_who_was_superseded_is_told(claims):
    claim = claims.take(KEY)
    lost = threading.Event()
    with claim.kept_alive(lost.set, every=0.01):
        time.sleep(0.1)
        assert not lost.is_set()
        file_of(claims, 2).write_text(file_of(claims).read_text())
        assert lost.wait(5)
    assert not claim.is_held


def test_a_heartbeat_touches_the_claim(claims):
    claim = claims.take(KEY)
    age(file_of(claims), 1000)
    with claim.kept_alive(lambda: None, every=0.01):
        deadline = time.time() + 5
        while time.time() - file_of(claims).stat().st_mtime > 100 and time.time() < deadline:
            time.sleep(0.01)
    assert time.time() - file_of(claims).stat().st_mtime < 100


def test_a_process_knows_itself():
    holder = Holder.this_process()
    assert holder.has_ended is False
    assert Holder(**{**vars(holder), "machine": "another"}).has_ended is None
    assert Holder(**{**vars(holder), "released": True}).has_ended is True
