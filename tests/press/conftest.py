"""A small book, built once for all tests that look at pages."""

import pytest
from press.small_book import small_chapter, write_book

from schurkit_press.build import build, plan_build


@pytest.fixture(scope="session")
def built_book(tmp_path_factory):
    """Folder of a small book of two chapters, built from nothing with warnings as errors."""
    second = small_chapter(
        draw="rows = [{'seed': 0, 'accuracy': 1.0}]",
        table="",
        record="from schurkit.nb import record\nrecord('other', 2.5)",
        prose="Elsewhere: {glue:text}`small.ipynb::mean_accuracy:.1f`.",
    )
    root = write_book(
        tmp_path_factory.mktemp("built") / "book", {"small": small_chapter(), "second": second}
    )
    build(root, plan_build(root), workers=2, say=lambda line: None)
    return root
