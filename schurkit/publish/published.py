"""Published runs: the results of a large edition, committed in book/data/ with their provenance, and shown beside what a build computes live."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import tempfile
from pathlib import Path

from schurkit import nb
from schurkit._checks import InputError
from schurkit._claims import Claim, load_claims

DATA = Path("book/data")
SCHEMA = 1
_CSV = re.compile(r'<a download="([a-z0-9-]+\.csv)" href="data:text/csv;base64,([A-Za-z0-9+/=]*)">')


def publish(root: Path, edition: str, name: str, executed: Path) -> Path:
    """Write the results of one executed chapter to book/data/<chapter>/ and return that folder.

    results.json holds what the chapter recorded, its claims, and the provenance (command, commit, device, seconds, versions,
    parameters); every CSV file behind a figure or table stands beside it. The folder is replaced as a whole.

    Parameters
    ----------
    root : the book's folder. edition : its name. name : the chapter. executed : its executed notebook.

    Raises
    ------
    InputError : the notebook does not say how it was run.
    """
    notebook = json.loads(executed.read_text(encoding="utf-8"))
    run = notebook.get("metadata", {}).get("schurkit", {}).get("run")
    if not run:
        raise InputError(f"{executed.name} does not say how it was run; run the chapter with 'schurkit build --edition {edition}'.")
    provenance = {"command": f"make book EDITION={edition}", "edition": edition, **{key: run[key] for key in sorted(run)}}
    results = {"schema": SCHEMA, "chapter": name, "provenance": provenance, "records": nb.records(notebook), "claims": nb.claims(notebook)}
    target = root / DATA / name
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{name}.") as begun:
        fresh = Path(begun) / name
        fresh.mkdir()
        (fresh / "results.json").write_text(json.dumps(results, ensure_ascii=False, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        for file, content in embedded_files(notebook).items():
            (fresh / file).write_bytes(content)
        if target.exists():
            os.replace(target, Path(begun) / "old")
        os.replace(fresh, target)
    return target


def embedded_files(notebook: dict) -> dict[str, bytes]:
    """The CSV files behind the figures and tables of an executed notebook, by file name."""
    found = {}
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            text = output.get("data", {}).get("text/html", "")
            for file, content in _CSV.findall(text if isinstance(text, str) else "".join(text)):
                found[file] = base64.b64decode(content)
    return found


def published(root: Path) -> dict[str, dict]:
    """The published results by chapter, as results.json has them.

    Raises
    ------
    InputError : a results.json that cannot be read.
    """
    found = {}
    for path in sorted((root / DATA).glob("*/results.json")):
        try:
            results = json.loads(path.read_text(encoding="utf-8"))
            if results["schema"] != SCHEMA or not {"provenance", "records", "claims"} <= set(results):
                raise ValueError("unknown form")
        except (OSError, ValueError, KeyError, TypeError) as error:
            place = path.relative_to(root).as_posix()
            raise InputError(f"{place} cannot be read ({error}); write it again with 'schurkit publish --edition book'.") from None
        found[path.parent.name] = results
    return found


def agrees(claim: Claim, live: dict, kept: dict) -> bool:
    """Whether a live test of a claim agrees with the published one: both satisfy the rule or neither does, and intervals overlap."""
    if live["value"] is None or kept["value"] is None:
        return live["value"] == kept["value"]
    if claim.rule.satisfied(live["value"]) != claim.rule.satisfied(kept["value"]):
        return False
    if not live["interval"] or not kept["interval"]:
        return True
    return live["interval"][0] <= kept["interval"][1] and kept["interval"][0] <= live["interval"][1]


def section(results: dict, notebook: dict | None, claims_path: Path, files: list[str], link: str) -> str:
    """The section of a page that shows the published run beside the live one, in MyST markdown.

    Parameters
    ----------
    results : of the chapter, from `published`. notebook : the executed notebook of this build; None if it was not run.
    claims_path : claims.yml. files : names of the published CSV files. link : where they lie, seen from the page.
    """
    known = load_claims(claims_path)
    run = results["provenance"]
    live = {told["id"]: told for told in nb.claims(notebook)} if notebook else {}
    lines = ["## Published run beside this one", "", f"Published run: {_provenance(run)}.", ""]
    if notebook is None:
        lines += ["This copy did not run the chapter.", ""]
    rows, differ = [], []
    for kept in results["claims"]:
        claim, now = known.get(kept["id"]), live.get(kept["id"])
        if claim is None:
            continue
        same = now is None or agrees(claim, now, kept)
        if not same:
            differ.append(claim.id)
        rows.append(f"| {claim.id} | {_value(kept)} | {kept['verdict']} | {_value(now)} | {'yes' if same else '**no**'} |")
    if rows:
        lines += ["| Claim | Published run | Verdict | Here | Agree |", "|:--|:--|:--|:--|:--|", *rows, ""]
    if differ:
        lines += [":::{warning}", f"What was computed here disagrees with the published run on {', '.join(differ)}.", ":::", ""]
    lines += _numbers(results["records"], nb.records(notebook) if notebook else {})
    if files:
        lines += ["Numbers of the published run: " + ", ".join(f'<a download href="{link}/{file}">{file}</a>' for file in files) + ".", ""]
    return "\n".join(lines)


def _numbers(kept: dict, live: dict) -> list[str]:
    shown = [key for key, value in kept.items() if isinstance(value, (int, float)) and not isinstance(value, bool)]
    if not shown:
        return []
    rows = [f"| `{key}` | {_plain(kept[key])} | {_plain(live.get(key))} |" for key in shown]
    return [":::{dropdown} Every recorded number, published and here", "| Number | Published | Here |", "|:--|--:|--:|", *rows, ":::", ""]


def _plain(value) -> str:
    return f"{value:.4g}".replace("-", "−") if isinstance(value, (int, float)) else "–"


def _value(test: dict | None) -> str:
    if test is None or test["value"] is None:
        return "–"
    text = f"{test['value']:.4g}"
    if test["interval"]:
        text += f" [{test['interval'][0]:.4g}, {test['interval'][1]:.4g}]"
    return text.replace("-", "−") + (f", n = {test['n']}" if test["n"] is not None else "")


def _provenance(run: dict) -> str:
    changed = ", ".join(f"{name} = {value}" for name, value in run["changed"].items()) or "default parameters"
    training = run.get("training")
    spent = f"{run['seconds']:.0f} s"
    if training:
        spent += f" and {training['core_seconds']:.0f} core-seconds of training {training['networks']} networks"
    return f"`{run['command']}` ({changed}), {run['date']}, {spent} on {run['device']}, commit `{run['commit'] or 'unknown'}`"


def copy_files(root: Path, name: str, target: Path) -> list[str]:
    """Copy the published CSV files of a chapter to the staged book's assets; returns their names."""
    files = sorted((root / DATA / name).glob("*.csv"))
    place = target / "book" / "assets" / "data" / "published" / name
    for file in files:
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, place / file.name)
    return [file.name for file in files]
