"""Files that a stranger made: every wrong one gives exit code 2 and one clear line, runs nothing
and allocates little.
"""

import io
import json
import os
import pickle
import struct
import tracemalloc
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import safetensors.numpy

from schurkit.__main__ import main
from schurkit.own import load_rnn, load_trials

torch = pytest.importorskip("torch")

ARRAYS = {"W_in": np.ones((4, 2)), "W_rec": 0.5 * np.eye(4), "W_out": np.ones((1, 4))}
TEN_GB = (50_000, 25_000)


class Hostile:
    """Runs a command when unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


def npz(path, **changes):
    np.savez(
        path, **{name: array for name, array in {**ARRAYS, **changes}.items() if array is not None}
    )
    return path


def npy_header(shape, descr="<f8"):
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        buffer, {"descr": descr, "fortran_order": False, "shape": shape}
    )
    return buffer.getvalue()


def as_archive(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def as_safetensors(path, header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)
    return path


def refused(capsys, *arguments):
    """The one line that `schurkit analyze` says on refusing; little memory may be taken."""
    tracemalloc.start()
    code = main(["analyze", *map(str, arguments)])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    told = capsys.readouterr()
    assert code == 2, told
    assert told.out == ""
    assert (
        told.err.count("\n") == 1
        and told.err.startswith("schurkit: ")
        and "Traceback" not in told.err
    )
    assert peak < 64 * 2**20
    return told.err


# ------------------------------------------------------------------------------------------- paths
def test_a_path_must_be_a_file_of_a_known_kind(tmp_path, capsys):
    assert "there is no file" in refused(capsys, tmp_path / "absent.npz")
    assert "is a folder" in refused(capsys, tmp_path)
    (tmp_path / "net.mat").write_bytes(b"x")
    told = refused(capsys, tmp_path / "net.mat")
    assert ".npz, .safetensors, .pt, .pth, .ckpt; got .mat" in told and "from_arrays" in told
    (tmp_path / "bare").write_bytes(b"x")
    assert "no suffix" in refused(capsys, tmp_path / "bare")
    os.mkfifo(tmp_path / "pipe.npz")
    assert "not a regular file" in refused(capsys, tmp_path / "pipe.npz")
    assert "nul?byte.npz" in refused(capsys, "nul\0byte.npz")


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".pt", ".pth"])
def test_empty_and_truncated_files(tmp_path, capsys, suffix):
    path = tmp_path / f"net{suffix}"
    path.write_bytes(b"")
    assert "is empty" in refused(capsys, path)
    if suffix == ".npz":
        npz(path)
    elif suffix == ".safetensors":
        safetensors.numpy.save_file(ARRAYS, path)
    else:
        torch.save(state_dict(), path)
    whole = path.read_bytes()
    for share in (0.02, 0.3, 0.6, 0.9, 0.999):
        path.write_bytes(whole[: max(1, int(share * len(whole)))])
        assert f"net{suffix}" in refused(capsys, path)


def whole_file(path):
    """A valid network in the format that the suffix names, with everything that such a file can
    say.
    """
    rng = np.random.default_rng(0)
    arrays = {
        "W_in": rng.normal(size=(4, 2)),
        "W_rec": rng.normal(size=(4, 4)),
        "W_out": rng.normal(size=(1, 4)),
        "b_rec": rng.normal(size=4),
    }
    if path.suffix == ".npz":
        np.savez_compressed(path, **arrays, leak=0.5, form="voltage", activation="relu")
    elif path.suffix == ".safetensors":
        safetensors.numpy.save_file(
            arrays, path, metadata={"activation": "relu", "leak": "0.5", "form": "voltage"}
        )
    else:
        torch.save(state_dict(), path)
    return path.read_bytes()


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".pt"])
def test_damaged_files_give_the_same_numbers_or_one_line(tmp_path, capsys, suffix):
    """300 flipped bits and truncations; .safetensors alone has no checksum, so that its own library
    says what the damaged numbers are.
    """
    path = tmp_path / f"net{suffix}"
    whole = whole_file(path)
    rng = np.random.default_rng(1)
    outcomes = set()
    expected, right = analysed(path, capsys), load_rnn(path)
    true = {name: getattr(right, name)[0] for name in ("W_in", "W_rec", "W_out", "b_rec")}
    for number in range(300):
        damaged = bytearray(whole)
        if number % 5 == 0:
            damaged = damaged[: rng.integers(1, len(whole))]
        else:
            damaged[rng.integers(len(whole))] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        found = analysed(path, capsys)
        outcomes.add("refused" if found is None else "the same" if found == expected else "other")
        if found is None:
            continue
        stored, rnn = (
            safetensors.numpy.load_file(path) if suffix == ".safetensors" else true,
            load_rnn(path),
        )
        assert set(stored) == set(true) and all(
            np.array_equal(getattr(rnn, name)[0], stored[name]) for name in stored
        )
        assert found == expected or (suffix == ".safetensors" and found["assumed"] == [])
    assert outcomes == {"refused", "the same"} | ({"other"} if suffix == ".safetensors" else set())


def analysed(path, capsys):
    """The report of `schurkit analyze` without the digest of the file, or None where it was refused
    with one line.
    """
    code = main(["analyze", str(path), "--json", "-"])
    told = capsys.readouterr()
    if code == 0:
        report = json.loads(told.out)
        assert told.err == ""
        return {key: value for key, value in report.items() if key != "weights_sha256"}
    assert (
        code == 2
        and told.out == ""
        and told.err.count("\n") == 1
        and told.err.startswith("schurkit: ")
        and "Traceback" not in told.err
    )
    return None


@pytest.mark.parametrize("length", [30, 32])
def test_a_directory_that_swallows_its_members(tmp_path, capsys, length):
    """One flipped bit in the length of a member's extra field or comment hides the members after
    it: activation and leak would be gone unseen.
    """
    path = tmp_path / "net.npz"
    data = bytearray(whole_file(path))
    at = data.rindex(b"PK\1\2", 0, data.index(b"W_out.npy", data.index(b"PK\1\2")) + 1)
    following = data.index(b"PK\1\2", at + 4)
    struct.pack_into("<H", data, at + length, data.index(b"PK\5\6") - following)
    path.write_bytes(data)
    assert "damaged" in refused(capsys, path)


@pytest.mark.parametrize("name", ["../../evil", "/etc/evil", "a/../evil"])
def test_names_of_members_are_never_paths(tmp_path, capsys, name):
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    path = npz(inside / "net.npz")
    link = zipfile.ZipInfo(f"{name}.npy")
    link.external_attr = 0o120777 << 16  # a symbolic link, were it ever unpacked
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, npy_header((1,)) + bytes(8))
    before = sorted(tmp_path.rglob("*"))
    assert main(["analyze", str(path)]) == 0
    assert (
        "In the file, but not used" in capsys.readouterr().out
        and sorted(tmp_path.rglob("*")) == before
    )


def test_links_to_files(tmp_path, capsys):
    whole_file(tmp_path / "true.npz")
    (tmp_path / "link.npz").symlink_to("true.npz")
    assert (
        analysed(tmp_path / "link.npz", capsys)
        == analysed(tmp_path / "true.npz", capsys)
        is not None
    )
    (tmp_path / "dangling.npz").symlink_to("absent.npz")
    (tmp_path / "round.npz").symlink_to("round.npz")
    (tmp_path / "zero.npz").symlink_to("/dev/zero")
    for name, told in (
        ("dangling", "there is no file"),
        ("round", ""),
        ("zero", "is not a regular file"),
    ):
        assert told in refused(capsys, tmp_path / f"{name}.npz")


def state_dict(**kind):
    torch.manual_seed(0)
    model = torch.nn.ModuleDict({"rnn": torch.nn.RNN(2, 4, **kind), "fc": torch.nn.Linear(4, 1)})
    return model.state_dict()


# ----------------------------------------------------------------------------------------- pickles
def test_a_pickle_is_never_opened(tmp_path, capsys):
    marker = tmp_path / "marker"
    for name in ("net.pkl", "net.pt", "net.pth", "net.npz", "net.safetensors"):
        (tmp_path / name).write_bytes(pickle.dumps(Hostile(marker)))
        refused(capsys, tmp_path / name)
    assert "Pickles are never read" in refused(capsys, tmp_path / "net.pkl")
    assert not marker.exists()


def test_a_hostile_torch_file_runs_nothing(tmp_path, capsys):
    marker = tmp_path / "marker"
    for number, value in enumerate(
        (
            Hostile(marker),
            {"state_dict": {**state_dict(), "x": Hostile(marker)}},
            OrderedDict(a=Hostile(marker)),
        )
    ):
        path = tmp_path / f"net{number}.pt"
        torch.save(value, path)
        told = refused(capsys, path)
        assert "posix.system" in told and "nothing in it was run" in told and "state_dict()" in told
        torch.save(value, path, _use_new_zipfile_serialization=False)
        assert "not what torch.save writes" in refused(capsys, path)
    assert not marker.exists()


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_a_hostile_pickle_inside_a_zip_runs_nothing(tmp_path, capsys, protocol):
    marker = tmp_path / "marker"
    data = pickle.dumps(Hostile(marker), protocol)
    path = as_archive(tmp_path / "net.pt", {"net/data.pkl": data, "net/version": b"3\n"})
    assert "holds more than tensors" in refused(capsys, path)
    assert not marker.exists()
    with pytest.raises(Exception):  # noqa: B017  (the marker proves what the file would have done)
        assert pickle.loads(data) == 0 and not marker.exists()
    assert marker.exists()


def test_a_whole_module_and_a_program_are_refused_with_advice(tmp_path, capsys):
    torch.save(torch.nn.RNN(2, 4), tmp_path / "module.pt")
    told = refused(capsys, tmp_path / "module.pt")
    assert "torch.nn.modules.rnn.RNN" in told and "torch.save(model.state_dict()" in told
    as_archive(
        tmp_path / "program.pt", {"net/data.pkl": b"\x80\x02}.", "net/constants.pkl": b"\x80\x02)."}
    )
    assert "TorchScript" in refused(capsys, tmp_path / "program.pt")


def test_object_arrays_are_refused_without_unpickling(tmp_path, capsys):
    marker = tmp_path / "marker"
    path = npz(tmp_path / "net.npz", W_rec=np.array([Hostile(marker)], dtype=object))
    told = refused(capsys, path)
    assert "'W_rec'" in told or "W_rec" in told
    assert "Python objects" in told and not marker.exists()
    path = tmp_path / "trials.npz"
    np.savez(path, inputs=np.zeros((2, 3, 2)), targets=np.array([Hostile(marker)], dtype=object))
    assert "Python objects" in refused(capsys, npz(tmp_path / "ok.npz"), "--trials", path)
    assert not marker.exists()


# ------------------------------------------------------------------------ sizes that are not there
def test_an_npy_header_that_claims_ten_gigabytes(tmp_path, capsys):
    members = {f"{name}.npy": npy_header(TEN_GB) + b"\0" * 64 for name in ARRAYS}
    told = refused(capsys, as_archive(tmp_path / "net.npz", members))
    assert "claims float64 of shape (50000, 25000)" in told
    members = {f"{name}.npy": npy_header((2**40, 2**40)) for name in ARRAYS}
    assert "claims" in refused(capsys, as_archive(tmp_path / "net.npz", members))
    members = {f"{name}.npy": npy_header((-1, 4)) + b"\0" * 64 for name in ARRAYS}
    assert "claims" in refused(capsys, as_archive(tmp_path / "net.npz", members))
    members = {f"{name}.npy": npy_header((1,), "|V1000000000") for name in ARRAYS}
    assert "claims" in refused(capsys, as_archive(tmp_path / "net.npz", members))


def test_a_zip_bomb(tmp_path, capsys):
    data = npy_header((1024, 4096)) + bytes(32 * 2**20)
    path = as_archive(
        tmp_path / "net.npz", {f"{name}.npy": data for name in ARRAYS}, zipfile.ZIP_DEFLATED
    )
    assert path.stat().st_size < 200_000
    assert "claims to expand more than 1000 times" in refused(capsys, path)


def test_a_member_that_claims_more_than_the_file_holds(tmp_path, capsys):
    path = npz(tmp_path / "net.npz")
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 20 : at + 28] = struct.pack("<II", 2**31, 2**31)
    path.write_bytes(data)
    assert "more than the file holds" in refused(capsys, path)


def test_a_member_that_claims_terabytes_in_little_space(tmp_path, capsys):
    path = as_archive(
        tmp_path / "net.npz", {"W_rec.npy": npy_header((4, 4)) + bytes(128)}, zipfile.ZIP_DEFLATED
    )
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 24 : at + 28] = struct.pack("<I", 2**32 - 2)
    path.write_bytes(data)
    assert "expand" in refused(capsys, path)


def test_other_archives(tmp_path, capsys):
    assert "not an array" in refused(
        capsys, as_archive(tmp_path / "net.npz", {"readme.txt": b"hello"})
    )
    path = as_archive(
        tmp_path / "net.npz", {"W_rec.npy": npy_header((4, 4)) + bytes(128)}, zipfile.ZIP_BZIP2
    )
    assert "encrypted or compressed" in refused(capsys, path)
    with (
        pytest.warns(UserWarning, match="Duplicate"),
        zipfile.ZipFile(tmp_path / "net.npz", "w") as archive,
    ):
        archive.writestr("W_rec.npy", npy_header((4, 4)) + bytes(128))
        archive.writestr("W_rec.npy", npy_header((4, 4)) + bytes(128))
    assert "two members of one name" in refused(capsys, tmp_path / "net.npz")
    np.save(tmp_path / "array.npy", np.eye(3))
    (tmp_path / "array.npy").rename(tmp_path / "array.npz")
    assert "not what numpy.savez writes" in refused(capsys, tmp_path / "array.npz")


def entry(shape, begin=0, end=128, dtype="F64"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


@pytest.mark.parametrize(
    ("header", "length"),
    [
        ({}, 2**62),
        ({}, 10 * 2**30),
        (b"{" * 100_000, None),
        (b"[" * 100_000, None),
        (b"[]", None),
        ({"__metadata__": {"leak": 1}}, None),
        ({"W_rec": entry(TEN_GB, end=10**10)}, None),
        ({"W_rec": entry(TEN_GB)}, None),
        ({"W_rec": entry([4, 4], -128, 0)}, None),
        ({"W_rec": entry([4, -4])}, None),
        ({"W_rec": entry([4, 4], 0.0, 128.0)}, None),
        ({"W_rec": entry(4)}, None),
        ({"W_rec": {"shape": [4, 4]}}, None),
        ({"W_rec": entry([2, 4], end=64)}, None),
        ({name: entry([4, 4]) for name in ("W_in", "W_rec")}, None),
    ],
)
def test_safetensors_headers_that_lie(tmp_path, capsys, header, length):
    """What is wrong is said in the words of the format's own library, behind ours."""
    path = as_safetensors(tmp_path / "net.safetensors", header, bytes(128), length)
    told = refused(capsys, path)
    assert "net.safetensors is damaged or truncated: " in told and len(told) < 400


@pytest.mark.parametrize(("dtype", "size"), [("C64", 8), ("F8_E4M3", 1)])
def test_numbers_in_safetensors_that_are_not_read(tmp_path, capsys, dtype, size):
    header = {"W_rec": entry([4, 4], end=16 * size, dtype=dtype)}
    path = as_safetensors(tmp_path / "net.safetensors", header, bytes(16 * size))
    assert f"array W_rec is of type {dtype}" in refused(capsys, path)


def rebuilt(source, target, change):
    """Copy a torch archive with another pickle."""
    with zipfile.ZipFile(source) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = next(name for name in members if name.endswith("/data.pkl"))
    changed = change(members[name])
    assert changed != members[name]
    return as_archive(target, {**members, name: changed})


def test_a_damaged_number_in_a_torch_file_is_noticed(tmp_path, capsys):
    torch.save(state_dict(), tmp_path / "net.pt")
    data = tmp_path.joinpath("net.pt").read_bytes()
    weight = state_dict()["rnn.weight_hh_l0"].numpy().tobytes()
    (tmp_path / "net.pt").write_bytes(data.replace(weight, weight[:-1] + bytes([weight[-1] ^ 1])))
    assert "checksum of its member net/data/1 does not fit" in refused(capsys, tmp_path / "net.pt")


def test_torch_maps_the_file_and_reads_weights_only(tmp_path, monkeypatch):
    torch.save(state_dict(), tmp_path / "net.pt")
    asked, true = {}, torch.load
    monkeypatch.setattr(torch, "load", lambda *a, **more: asked.update(more) or true(*a, **more))
    load_rnn(tmp_path / "net.pt")
    assert asked == {"weights_only": True, "map_location": "cpu", "mmap": True}


@pytest.mark.parametrize("place", ["cuda:0", "cuda:7", "mps", "xpu:1", "meta"])
def test_a_torch_file_saved_on_another_device(tmp_path, capsys, place):
    """A real file whose storages say that they lay elsewhere."""
    torch.save(state_dict(), tmp_path / "cpu.pt")
    tag = b"X" + struct.pack("<I", len(place)) + place.encode()
    moved = rebuilt(
        tmp_path / "cpu.pt", tmp_path / "moved.pt", lambda data: data.replace(b"X\3\0\0\0cpu", tag)
    )
    assert analysed(moved, capsys) == analysed(tmp_path / "cpu.pt", capsys) is not None


def test_a_torch_file_that_claims_ten_gigabytes(tmp_path, capsys):
    torch.save(state_dict(), tmp_path / "net.pt")
    storage = lambda data: data.replace(  # noqa: E731
        b"cpuq\x08K\x08", b"cpuq\x08J" + struct.pack("<i", 2**30)
    )
    shape = lambda data: data.replace(  # noqa: E731
        b"K\x00K\x04K\x02\x86", b"K\x00J" + struct.pack("<i", 2**29) + b"K\x02\x86"
    )
    both = rebuilt(tmp_path / "net.pt", tmp_path / "both.pt", lambda data: shape(storage(data)))
    assert "damaged or truncated" in refused(capsys, both)
    broadcast = lambda data: shape(data).replace(  # noqa: E731
        b"K\x02K\x01\x86", b"K\x00K\x00\x86", 1
    )
    assert "more than the file holds" in refused(
        capsys, rebuilt(tmp_path / "net.pt", tmp_path / "broadcast.pt", broadcast)
    )


def test_a_torch_file_of_nested_dicts_without_end(tmp_path, capsys):
    value = {}
    for _ in range(3):
        value = {str(i): value for i in range(300)}
    torch.save({"deep": value}, tmp_path / "net.pt")
    assert "more than 10000 entries" in refused(capsys, tmp_path / "net.pt")


def test_a_torch_file_whose_members_are_compressed_or_many_roots(tmp_path, capsys):
    path = as_archive(
        tmp_path / "net.pt", {"net/data.pkl": b"\x80\x02}." + bytes(500)}, zipfile.ZIP_DEFLATED
    )
    assert "compressed" in refused(capsys, path)
    path = as_archive(
        tmp_path / "net.pt", {"a/data.pkl": b"\x80\x02}.", "b/data.pkl": b"\x80\x02}."}
    )
    assert "not what torch.save writes" in refused(capsys, path)


# ----------------------------------------------------------------------------------------- numbers
@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"W_rec": np.ones((4, 3))}, "W_rec must have axes (hidden, hidden)"),
        ({"W_rec": np.ones(4)}, "W_rec must have axes"),
        ({"W_rec": np.ones((0, 0))}, "W_rec is empty"),
        ({"W_in": np.ones((4, 0))}, "W_in is empty"),
        ({"W_out": np.ones((0, 4))}, "W_out is empty"),
        ({"W_rec": np.full((4, 4), np.nan)}, "NaN or infinite"),
        ({"W_rec": np.diag([np.inf, 1, 1, 1])}, "NaN or infinite"),
        ({"W_rec": 1j * np.eye(4)}, "must be real; got complex"),
        ({"W_rec": np.full((4, 4), "a")}, "array of real numbers"),
        ({"W_rec": np.zeros((4, 4), [("a", float)])}, "array of real numbers"),
        ({"W_in": np.ones((3, 2))}, "W_in must have shape"),
        ({"W_in": np.ones((2, 4))}, "row convention"),
        ({"W_out": np.ones((1, 3))}, "W_out must have shape"),
        ({"b_rec": np.ones(3)}, "b_rec must have shape"),
        ({"b_out": np.ones(2)}, "b_out must have shape"),
        ({"h0": np.ones((1, 4))}, "h0 must have axes"),
        ({"W_in": None}, "holds no W_in; it holds W_rec, W_out"),
        ({"W_in": None, "W_rec": None}, "no W_in and no W_rec"),
        ({"b_hh": np.ones(4)}, "holds b_hh, which is no part"),
        (
            {"w_rec": np.ones(4)},
            "holds w_rec, which is no part of a network here. If W_rec is meant, name it so.",
        ),
        ({"init_state": np.ones((1, 4))}, "If h0 is meant"),
        ({"alpha": 0.2}, "If leak is meant"),
        ({"alpha": "0.2"}, "If leak is meant"),
        (
            {"W_rec": None, "W_hh": np.eye(4)},
            "holds no W_rec; it holds W_in, W_out, W_hh. If these are meant, save W_hh as W_rec.",
        ),
        ({"W_rec": None, "J": np.eye(4)}, "save J as W_rec"),
        (
            {"W_rec": None, "W_in": None, "Wrec": np.eye(4), "W_inp": np.ones((4, 2))},
            "save Wrec as W_rec, W_inp as W_in.",
        ),
        ({"W_rec": None, "w_REC": np.eye(4)}, "save w_REC as W_rec"),
        ({"W_rec": None, "weights": np.eye(4)}, "holds no W_rec; it holds W_in, W_out, weights."),
        ({"activation": "sigmoid"}, "activation must be one of"),
        ({"activation": np.ones(2)}, "holds activation, which is no part"),
        ({"form": "current"}, "form must be one of"),
        ({"leak": 0.0}, "leak must be above 0"),
        ({"leak": 1.5}, "leak must be"),
        ({"leak": np.nan}, "leak must be finite"),
        ({"leak": 1j}, "leak must be"),
        ({"leak": np.array([0.1, 0.2, 0.3])}, "leak must be one number, or 4"),
        ({"leak": "much"}, "leak must be a number; the file says much"),
    ],
)
def test_arrays_that_are_no_network(tmp_path, capsys, changes, told):
    assert told in refused(capsys, npz(tmp_path / "net.npz", **changes))


def test_names_from_a_file_cannot_break_the_line(tmp_path, capsys):
    name = "W_\n\x1b[31m" + "x" * 5000
    told = refused(
        capsys, as_archive(tmp_path / "net.npz", {f"{name}.npy": npy_header((1,)) + bytes(8)})
    )
    assert len(told) < 600 and "\x1b" not in told


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"inputs": None}, "holds no inputs"),
        ({"targets": None}, "holds no targets"),
        ({"inputs": np.zeros((5, 3))}, "inputs must have axes (trials, time, input)"),
        ({"targets": np.zeros((2, 5, 3, 1))}, "targets must have axes (trials, time, target)"),
        ({"inputs": np.zeros((5, 0, 2))}, "inputs are empty"),
        ({"inputs": np.zeros((6, 3, 2))}, "same trials"),
        ({"inputs": np.zeros((5, 4, 2))}, "cover every input step"),
        ({"inputs": np.full((5, 3, 2), np.inf)}, "NaN or infinite"),
        ({"targets": 1j * np.ones((5, 3, 1))}, "must be real"),
        ({"mask": np.ones(4)}, "mask must have shape"),
        ({"mask": np.zeros(3)}, "leaves no time step"),
        ({"outputs": np.zeros((5, 2, 1))}, "outputs must have the shape of the targets"),
        ({"masks": np.ones(3)}, "did you mean mask?"),
        ({"Inputs": np.ones(3)}, "did you mean inputs?"),
        (
            {"inputs": np.zeros((5, 3, 3))},
            "network has input size 2, and the trials have input size 3",
        ),
        (
            {"targets": np.zeros((5, 3, 2))},
            "network has output size 1, and the trials have output size 2",
        ),
        ({"targets": np.ones((5, 3, 1))}, "targets do not vary"),
        ({"mask": np.array([1, 0, 0])}, "targets do not vary"),
    ],
)
def test_trials_that_are_none(tmp_path, capsys, changes, told):
    targets = np.zeros((5, 3, 1))
    targets[:, 1:] = np.random.default_rng(0).normal(size=(5, 2, 1))
    arrays = {"inputs": np.zeros((5, 3, 2)), "targets": targets, **changes}
    np.savez(
        tmp_path / "trials.npz",
        **{name: array for name, array in arrays.items() if array is not None},
    )
    assert told in refused(capsys, npz(tmp_path / "net.npz"), "--trials", tmp_path / "trials.npz")


def test_trials_are_npz_only(tmp_path, capsys):
    (tmp_path / "trials.pt").write_bytes(b"x")
    assert "trials come as .npz; got .pt" in refused(
        capsys, npz(tmp_path / "net.npz"), "--trials", tmp_path / "trials.pt"
    )


def test_good_trials(tmp_path):
    arrays = {
        "inputs": np.zeros((5, 3, 2), np.float32),
        "targets": np.ones((5, 4, 1)),
        "mask": np.array([0, 1, 1, 1]),
        "epochs": np.arange(3),
    }
    np.savez_compressed(
        tmp_path / "trials.npz", **arrays, outputs=np.full((2, 5, 4, 1), 3.0), note="what it is"
    )
    trials, outputs = load_trials(tmp_path / "trials.npz")
    assert (
        len(trials) == 5
        and trials.autonomous == 1
        and trials.mask.tolist() == [False, True, True, True]
    )
    assert outputs.shape == (2, 5, 4, 1) and trials.inputs.dtype == np.float32
