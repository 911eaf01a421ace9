"""What README tells a reader with a PyTorch network: every block is run as it stands there, the
command too.
"""

import re
from pathlib import Path

import pytest
from chapters.rerun import executed
from samples import Net

from schurkit_press import own_page

torch = pytest.importorskip("torch")

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def test_from_a_module_to_its_profile_by_the_readme_alone(analyze, monkeypatch, capsys):
    monkeypatch.setattr(own_page, "run_here", executed)  # without a kernel of its own
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Net(sizes=(2, 12, 1), readouts=("readout",), batch_first=True)
        inputs = torch.randn(16, 10, 2)
    names = {"model": model, "inputs": inputs, "targets": inputs.cumsum(1)[..., :1]}
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        capsys.readouterr()
        exec(compile(block, "README.md", "exec"), names)
    said, profile = capsys.readouterr().out, names["profile"]
    assert "ok=True" in said and said.rstrip().endswith(repr(profile))  # it ends in a table
    (command,) = re.findall(r"^schurkit analyze (.*)$", README, flags=re.MULTILINE)
    code, out, _ = analyze(command)
    page = Path("report.html").read_text(encoding="utf-8")
    assert len(profile.removed) == 7 and f"{profile.intact[0]:.3g}" in page
    assert code == 0 and "RR+CR+CC" in out
