"""One file of tensors: whole, or an OSError that names it, or an error that says it is damaged."""

import resource

import pytest
import torch

from recbole.data import candidates
from recbole.data.payload import DamagedPayloadError, load_payload, save_payload
from recbole.errors import DataError


@pytest.fixture
def small_disk():
    """No file may grow beyond 20 kB, which is an error like that of a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("numbers", [6_000, 1_000_000], ids=["at the end", "on the way"])
def test_a_full_disk_is_an_os_error_and_leaves_the_old_file(tmp_path, small_disk, numbers):
    path = tmp_path / "x.pt"
    save_payload(path, {"x": torch.ones(2)})
    with pytest.raises(OSError, match="File too large") as raised:
        save_payload(path, {"x": torch.ones(numbers)})
    assert raised.value.filename == str(path)
    assert torch.equal(load_payload(path)["x"], torch.ones(2))
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.pt"]


def test_a_place_that_cannot_be_written_is_an_os_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"x\.pt") as raised:
        save_payload(tmp_path / "file" / "x.pt", {})
    assert raised.value.strerror
    with pytest.raises(OSError, match=r"/proc/x\.pt"):
        save_payload(type(tmp_path)("/proc/x.pt"), {})


@pytest.mark.parametrize("mapped", [False, True])
def test_every_flipped_bit_in_content_is_noticed(tmp_path, mapped):
    path = tmp_path / "x.pt"
    save_payload(path, {"x": torch.arange(50)})
    whole = path.read_bytes()
    start = whole.index(torch.arange(50).numpy().tobytes())
    for place in (start, start + 399):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        with pytest.raises(DamagedPayloadError, match=r"checksum of .*/data/0 is wrong"):
            load_payload(path, mapped=mapped)
    path.write_bytes(whole)
    assert torch.equal(load_payload(path, mapped=mapped)["x"], torch.arange(50))


def test_a_damaged_end_is_damage_and_no_other_error(tmp_path):
    """The records at the end of a zip file say where its table of contents is."""
    path = tmp_path / "x.pt"
    save_payload(path, {"x": torch.arange(50)})
    whole = path.read_bytes()
    refused = 0
    for place in range(len(whole) - 120, len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
        try:
            assert torch.equal(load_payload(path)["x"], torch.arange(50))  # it did not matter
        except DamagedPayloadError:
            refused += 1
    assert refused


def test_damaged_candidates_are_refused(tmp_path):
    path = tmp_path / "x.cand"
    save_payload(path, {"format": candidates.FORMAT, "parts": {"x": torch.arange(50)}})
    whole = path.read_bytes()
    place = whole.index(torch.arange(50).numpy().tobytes())
    path.write_bytes(whole[:place] + b"\1" + whole[place + 1 :])
    with pytest.raises(DataError, match="damaged or of another program: the checksum of"):
        candidates.load(path)
