"""The check of built pages: what is fetched from other hosts is a problem."""

import pytest
from press.small_book import cases

from schurkit.__main__ import main


@pytest.fixture
def page(tmp_path):
    """``page(element)``: the folder of a book whose one page holds that element."""
    for name in ("_toc.yml", "_config.yml"):
        (tmp_path / name).write_text("")
    html = tmp_path / "_build" / "html"
    html.mkdir(parents=True)

    def write(element):
        (html / "index.html").write_text(f"<html><body>{element}</body></html>")
        return tmp_path

    return write


@pytest.mark.parametrize(
    ("element", "address"),
    cases("""
<script src="https://a.example/x.js"></script> → https://a.example/x.js
<link rel="stylesheet" href="//a.example/x.css"> → //a.example/x.css
<img alt="" src="http://a.example/x.png"> → http://a.example/x.png
<object data="https://a.example/x"></object> → https://a.example/x
<link rel="canonical" href="https://a.example/"> →
<a href="https://a.example/">x</a> →
<img alt="" src="data:image/png;base64,xx"><script src="x.js"></script> →
"""),
)
def test_what_a_page_fetches_from_elsewhere_is_a_problem(page, element, address, capsys):
    root = page(element)
    assert main(["check", "--book", str(root)]) == bool(address)
    told = f"problem: index.html: fetches {address}\n1 problem\n" if address else "0 problems\n"
    assert capsys.readouterr().out == told


def test_without_pages_there_is_nothing_to_check(page, capsys):
    root = page("")
    (root / "_build" / "html" / "index.html").unlink()
    assert main(["check", "--book", str(root)]) == 2
    assert capsys.readouterr().err == (
        "schurkit: there are no pages in _build/html; build them with 'make book'.\n"
    )
