"""Files that a stranger made: nothing in them is run, nothing beside them is written, and little is
allocated.
"""

import io
import json
import os
import pickle
import struct
import subprocess
import sys
import tracemalloc
import zipfile
from collections import OrderedDict
from pathlib import Path

import h5py
import numpy as np
import pytest
import safetensors.numpy
import scipy.io
import torch
from examined import refused as told
from samples import SAMPLES, W, W_out, plain

from schurkit import InputError
from schurkit.own import load_rnn, read_network
from schurkit.own.files import read_arrays

ARRAYS = {"W_in": np.ones((4, 2)), "W_rec": 0.5 * np.eye(4), "W_out": np.ones((1, 4))}
TEN_GB = (50_000, 25_000)
STORED, DEFLATED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED


class Hostile:
    """Runs a command when unpickled."""

    def __reduce__(self):
        return os.system, ("touch marker",)


def state():
    torch.manual_seed(0)
    model = torch.nn.ModuleDict({"rnn": torch.nn.RNN(2, 4), "fc": torch.nn.Linear(4, 1)})
    return model.state_dict()


def npy(shape, descr="<f8", data=b""):
    buffer = io.BytesIO()
    header = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue() + data


ONE = npy((1,), data=bytes(8))


def archive(path, members, compression=STORED):
    with zipfile.ZipFile(path, "w", compression) as opened:
        for name, data in members.items():
            opened.writestr(name, data)
    return path


def patched(path, sign, offset, data):
    """Put bytes at an offset from where a sign stands."""
    content = bytearray(path.read_bytes())
    at = content.index(sign) + offset
    content[at : at + len(data)] = data
    path.write_bytes(content)


def safetensors_file(header):
    """A file with that header, or that length of one, and numbers for one matrix."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    length = header if isinstance(header, int) else len(text)
    path = Path("net.safetensors")
    path.write_bytes(struct.pack("<Q", length) + text + bytes(128))
    return path


def refused(path, *words):
    """The one line on refusing a file, which takes little memory."""
    tracemalloc.start()
    text = told(lambda: read_network(path), *words)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(text) < 800 and peak < 64 * 2**20
    return text


# ------------------------------------------------------------------------------------- what is read
def test_paths():
    refused(".", "is a folder")
    refused("nul\0byte.npz", "nul?byte.npz")
    os.mkfifo("pipe.npz")
    refused("pipe.npz", "not a regular file")
    for name, target, word in (
        ("dangling.npz", "absent.npz", "there is no file"),
        ("round.npz", "round.npz", ""),
        ("zero.npz", "/dev/zero", "is not a regular file"),
    ):
        os.symlink(target, name)
        refused(name, word)
    np.savez("net.npz", **ARRAYS)
    os.symlink("net.npz", "link.npz")
    assert load_rnn("link.npz").hidden_size == 4


@pytest.mark.parametrize("new", [True, False])
def test_tensors_of_every_kind_are_torchs_own(new):
    """Views, strides, shared storages, all dtypes, a parameter, NumPy's scalars and arrays."""
    big = torch.arange(24.0).reshape(4, 6)
    kinds = (torch.float64, torch.float16, torch.bfloat16, torch.int8, torch.bool, torch.complex64)
    deep = {str(kind): big.to(kind) for kind in kinds} | {
        "turned": big.T,
        "part": big[1:3, ::2],
        "same": big,
        "none": big[:0],
        "one": big[2, 3],
        "parameter": torch.nn.Parameter(big + 1),
        "scalar": np.float32(2.5),
        "row": np.arange(3),
        "columns": np.asfortranarray(big.numpy()),
    }
    saved = {"deep": deep, "epoch": 3, "words": "relu", "lims": [1, 2.5]}
    torch.save(saved, "all.pt", _use_new_zipfile_serialization=new)
    contents = read_arrays(Path("all.pt"))
    for name, value in deep.items():
        tensor = torch.as_tensor(value).detach()
        half = tensor.dtype in (torch.float16, torch.bfloat16)
        expected = (tensor.float() if half else tensor).numpy()
        got = contents.arrays[f"deep.{name}"]
        assert np.array_equal(got, expected) and got.dtype == expected.dtype
    assert contents.arrays["epoch"] == 3 and contents.arrays["lims"].tolist() == [1, 2.5]
    assert contents.words == {"words": "relu"} and contents.group["deep.row"] == "deep"


@pytest.mark.parametrize("compressed", [True, False])
def test_matlab_files_are_scipys_own(compressed):
    values = {"word": "sigmoid", "empty": np.zeros((0, 3)), "long_name_of_it": 7.5}
    values |= {f"a{k}": np.arange(6).reshape(2, 3).astype(k) for k in ("f8", "f4", "i2", "u1")}
    values |= {"flag": np.array([[True, False]])}
    objects = {
        "cell": np.array([[1, "a"]], dtype=object),
        "struct": {"x": 1},
        "imag": 1j * np.eye(2),
    }
    scipy.io.savemat("all.mat", values | objects, do_compression=compressed)
    contents, own = read_arrays(Path("all.mat")), scipy.io.loadmat("all.mat")
    assert contents.words == {"word": "sigmoid"} and set(contents.skipped) == set(objects)
    for name in values.keys() - {"word"}:
        assert np.array_equal(contents.arrays[name], own[name])


def test_matlab_files_of_level_7_3():
    with h5py.File("net.mat", "w", userblock_size=512) as file:
        for name, array in plain.items():
            file[name] = array.T
        file["activation"] = np.array([[ord(letter)] for letter in "relu"], np.uint16)
        file["activation"].attrs["MATLAB_class"] = np.bytes_("char")
    rnn = load_rnn("net.mat")
    assert np.array_equal(rnn.W_rec[0], W) and np.array_equal(rnn.W_out[0], W_out)
    assert rnn.activation == "relu"


def test_hdf5_without_h5py_and_what_lies_elsewhere(monkeypatch):
    with h5py.File("net.h5", "w") as file:
        file["text"], file["out"] = "words", h5py.ExternalLink("/etc/passwd", "x")
        file.create_dataset("W_rec", (4, 4), "f8", external=[("/etc/passwd", 0, 128)])
        file.create_dataset("W_in", TEN_GB, "f8", chunks=(500, 500))
    refused("net.h5", "W_in claims")
    with h5py.File("net.h5", "a") as file:
        del file["W_in"]
    refused("net.h5", "W_rec, text of Python objects")
    monkeypatch.setitem(sys.modules, "h5py", None)
    refused("net.h5", "needs h5py to be read: install schurkit[files].")


def test_number_types_of_safetensors():
    import safetensors.torch

    rounded = {name: tensor.to(torch.bfloat16) for name, tensor in state().items()}
    safetensors.torch.save_file(rounded, "net.safetensors")
    expected = rounded["rnn.weight_hh_l0"].float().numpy()
    assert np.array_equal(load_rnn("net.safetensors").W_rec[0], expected)
    complex_numbers = safetensors_file(entry([4, 4], dtype="C64"))
    refused(complex_numbers, "array W_rec is of type C64; save plain numbers")


# ---------------------------------------------------------------------------------- what is not run
def hostile_files():
    value = Hostile()
    for name in ("a.pkl", "a.pt", "a.npz", "a.safetensors", "a"):
        Path(name).write_bytes(pickle.dumps(value))
        yield name
    for each in (value, {"state_dict": state() | {"x": value}}, OrderedDict(a=value)):
        for new in (True, False):
            torch.save(each, "saved.pt", _use_new_zipfile_serialization=new)
            yield "saved.pt"
    for protocol in (0, 2, 4, 5):
        data = pickle.dumps(value, protocol)
        yield archive(Path("net.pt"), {"net/data.pkl": data, "net/version": b"3\n"})
        Path("net.pkl").write_bytes(b"\x80\x02" + data)
        yield "net.pkl"
    np.savez("objects.npz", **ARRAYS | {"W_rec": np.array([value], dtype=object)})
    yield "objects.npz"


def test_nothing_in_a_file_is_run():
    marker = Path("marker")
    texts = [refused(path) for path in hostile_files()]
    assert sum("posix.system" in text and "nothing in it was run" in text for text in texts) >= 8
    assert "Python objects, which are never unpickled" in texts[-1] and not marker.exists()
    with pytest.raises(Exception):  # noqa: B017  (the marker proves what a file would have done)
        assert pickle.loads(Path("a.pkl").read_bytes()) == 0 and not marker.exists()
    assert marker.exists()


@pytest.mark.parametrize("name", ["../../evil", "/etc/evil", "a/../evil"])
def test_names_of_members_are_never_paths(name):
    path = Path("a/b/net.npz")
    path.parent.mkdir(parents=True)
    np.savez(path, **ARRAYS)
    link = zipfile.ZipInfo(f"{name}.npy")
    link.external_attr = 0o120777 << 16  # a symbolic link, were it ever unpacked
    with zipfile.ZipFile(path, "a") as opened:
        opened.writestr(link, ONE)
    before = sorted(Path().rglob("*"))
    assert read_network(path).unused == (name,)
    assert sorted(Path().rglob("*")) == before
    empty = b"\x80\x02}."
    torch_names = archive("x.pt", {"../data.pkl": empty, "a/data.pkl": empty})
    refused(torch_names, "not what torch.save writes")


def test_names_from_a_file_cannot_break_the_line():
    name = "W_\n\x1b[31m" + "x" * 5000
    assert "\x1b" not in refused(archive("net.npz", {f"{name}.npy": ONE}))


# ------------------------------------------------------------------------ sizes that are not there
@pytest.mark.parametrize(
    "shape, descr",
    [(TEN_GB, "<f8"), ((2**40, 2**40), "<f8"), ((-1, 4), "<f8"), ((1,), "|V1000000000")],
)
def test_npy_headers_that_lie(shape, descr):
    members = {f"{name}.npy": npy(shape, descr, bytes(64)) for name in ARRAYS}
    refused(archive("net.npz", members), "the header of array W_in claims")


def test_archives_that_lie():
    path, small = Path("net.npz"), {"W_rec.npy": npy((4, 4), data=bytes(128))}
    bomb = {f"{name}.npy": npy((1024, 4096), data=bytes(32 * 2**20)) for name in ARRAYS}
    refused(archive(path, bomb, DEFLATED), "claims to expand more than 1000 times")
    directory = b"PK\1\2"
    patched(archive(path, small), directory, 20, struct.pack("<II", 2**31, 2**31))
    refused(path, "more than the file holds")
    patched(archive(path, small, DEFLATED), directory, 24, struct.pack("<I", 2**32 - 2))
    refused(path, "expand")
    for length in (30, 32):  # a flipped bit hides the members after it: a leak would be gone unseen
        archive(path, {f"{name}.npy": ONE for name in "abc"})
        data = path.read_bytes()
        first = data.index(directory)
        hidden = data.index(b"PK\5\6") - data.index(directory, first + 4)
        patched(path, directory, length, struct.pack("<H", hidden))
        refused(path, "damaged")
    refused(archive(path, {"readme.txt": b"hello"}), "readme.txt, which is not an array")
    refused(archive(path, small, zipfile.ZIP_BZIP2), "encrypted or compressed")
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "w") as opened:
        for name in ("W_rec.npy", "W_rec.npy"):
            opened.writestr(name, small[name])
    refused(path, "two members of one name")


def entry(shape, begin=0, end=128, dtype="F64"):
    return {"W_rec": {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}}


@pytest.mark.parametrize(
    "header",
    [
        b"{" * 100_000,
        b"[]",
        {"__metadata__": {"leak": 1}},
        entry(TEN_GB, end=10**10),
        entry(TEN_GB),
        entry([4, 4], -128, 0),
        entry([4, -4]),
        entry(4),
        {"W_rec": {"shape": [4, 4]}},
        {name: entry([4, 4])["W_rec"] for name in ("W_in", "W_rec")},
        2**62,
    ],
)
def test_safetensors_headers_that_lie(header):
    refused(safetensors_file(header), "net.safetensors is damaged or truncated: ")


def test_matlab_files_that_lie():
    path = Path("net.mat")
    scipy.io.savemat(path, {"W_rec": np.zeros((2048, 2049))}, do_compression=True)
    assert path.stat().st_size < 100_000
    refused(path, "expands more than 1000 times")
    scipy.io.savemat(path, {"W_rec": np.eye(4)})
    patched(path, struct.pack("<II", 9, 128), 4, struct.pack("<I", 2**31))
    refused(path, "more than the file holds")


def rebuilt(*changes):
    """A torch archive with another pickle."""
    torch.save(state(), "net.pt")
    with zipfile.ZipFile("net.pt") as opened:
        members = {name: opened.read(name) for name in opened.namelist()}
    name = next(name for name in members if name.endswith("/data.pkl"))
    for old, new in changes:
        assert old in members[name]
        members[name] = members[name].replace(old, new, 1)
    return archive("changed.pt", members)


def rows(count):
    """That many rows of a tensor in the place of four."""
    return b"K\0K\4K\2\x86", b"K\0J" + struct.pack("<i", count) + b"K\2\x86"


def test_torch_files_that_lie():
    spread = (b"K\2K\1\x86", b"K\0K\0\x86")
    refused(rebuilt(rows(2**29)), "more than the file holds")
    refused(rebuilt(rows(2**29), spread), "more than the file holds")
    refused(rebuilt(rows(-4)), "a shape that no tensor has")
    path = Path("net.pt")
    weight = state()["rnn.weight_hh_l0"].numpy().tobytes()
    patched(path, weight, len(weight) - 1, bytes([weight[-1] ^ 1]))
    refused(path, "damaged", "net/data/1")
    torch.save(state(), path, _use_new_zipfile_serialization=False)
    patched(path, struct.pack("<q", 8), 0, struct.pack("<q", 2**40))
    refused(path, "more than the file holds")


@pytest.mark.parametrize("place", ["cuda:0", "mps", "meta"])
def test_a_torch_file_saved_on_another_device(place):
    tag = b"X" + struct.pack("<I", len(place)) + place.encode()
    moved = rebuilt((b"X\3\0\0\0cpu", tag))
    assert np.array_equal(load_rnn(moved).W_rec, load_rnn("net.pt").W_rec)


# ------------------------------------------------------------------------------------------- damage
MUTATIONS = int(os.environ.get("SCHURKIT_MUTATIONS", "300"))
READ = """
import sys
from schurkit import InputError
from schurkit.own import read_network
for path in sys.stdin.read().splitlines():
    try:
        read_network(path)
        print("read")
    except InputError as error:
        print("refused" if len(str(error).splitlines()) == 1 else "several lines")
for line in open("/proc/self/status"):  # getrusage would count the memory of who started this
    if line.startswith("VmHWM"):
        print(int(line.split()[1]) // 1024)
"""


def mutated(data: bytes, others: list[bytes], rng) -> bytes:
    """Flipped bits, a truncation, another file's header, or a count of two thousand million."""
    data, kind = bytearray(data), rng.integers(6)
    if kind < 3:
        for _ in range(rng.integers(1, 4)):
            data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
    elif kind == 3:
        del data[rng.integers(1, len(data)) :]
    elif kind == 4:
        end = int(rng.integers(1, 300))
        data[:end] = others[rng.integers(len(others))][:end]
    else:
        at = rng.integers(len(data) - 4)
        data[at : at + 4] = b"\xff\xff\xff\x7f"
    return bytes(data)


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="the peak is Linux's to say")
def test_damaged_files_give_a_network_or_one_line():
    """In a process of its own, where a crash of a library would be seen."""
    safetensors.numpy.save_file(ARRAYS, "net.safetensors")
    files = [Path("net.safetensors"), *(sample.write() for sample in SAMPLES)]
    whole, rng = [path.read_bytes() for path in files], np.random.default_rng(1)
    lines = []
    for number in range(MUTATIONS):
        k = number % len(files)
        lines.append(f"{number}{files[k].suffix}")
        Path(lines[-1]).write_bytes(mutated(whole[k], whole, rng))
    before = sorted(Path().iterdir())
    done = subprocess.run(
        [sys.executable, "-c", READ], input="\n".join(lines), capture_output=True, text=True
    )
    *outcomes, peak = done.stdout.split()
    assert done.returncode == 0 and done.stderr == "" and len(outcomes) == MUTATIONS
    assert set(outcomes) == {"read", "refused"} and int(peak) < 1000
    assert sorted(Path().iterdir()) == before


@pytest.mark.parametrize("suffix", [".npz", ".pt"])
def test_formats_with_checksums_never_give_other_numbers(suffix):
    path = Path(f"net{suffix}")
    np.savez_compressed("net.npz", **ARRAYS, leak=0.5, form="voltage")
    torch.save(state(), "net.pt")
    whole, expected, rng = path.read_bytes(), load_rnn(path), np.random.default_rng(1)
    outcomes = set()
    for _ in range(150):
        data = bytearray(whole)
        data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
        path.write_bytes(data)
        try:
            rnn = load_rnn(path)
        except InputError:
            outcomes.add("refused")
            continue
        outcomes.add("the same")
        assert repr(rnn) == repr(expected)
        assert all(np.array_equal(rnn.arrays[k], one) for k, one in expected.arrays.items())
    assert outcomes == {"refused", "the same"}
