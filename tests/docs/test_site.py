"""The built documentation: no warning, no dead link, nothing fetched from elsewhere, a complete reference."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from lightsweep import compose
from lightsweep.config.schema import GROUPS, Config, Logger
from lightsweep.paths import conf_dir, home

pytest.importorskip("mkdocs", reason="needs the dependency group docs: uv run --group docs pytest tests/docs")
pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
LOADING = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}


class Page(HTMLParser):
    """What one page links to, loads, and can be linked to by."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors, self.links, self.loads = set[str](), list[str](), list[str]()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag in LOADING and LOADING[tag] in values and values.get("rel") != "canonical":
            self.loads.append(values[LOADING[tag]])


@pytest.fixture(scope="module")
def site(made_once: Callable[..., Path]) -> Path:
    def build(folder: Path) -> None:
        built = subprocess.run(
            [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
            cwd=ROOT,
            env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )
        assert built.returncode == 0, built.stdout + built.stderr

    return made_once("site", build)


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in sorted(site.rglob("*.html")) if path.name != "404.html"}


def _wrong_links(pages: dict[Path, Page], site: Path) -> Iterator[str]:
    for path, page in pages.items():
        for link in [*page.links, *page.loads]:
            parts = urlsplit(link)
            if parts.scheme in ("http", "https"):
                if not re.fullmatch(r"([\w-]+\.)+[a-z]{2,}(:\d+)?|127\.0\.0\.1(:\d+)?|localhost(:\d+)?", parts.netloc):
                    yield f"{path.relative_to(site)}: {link} names no host"
                continue
            if parts.scheme:
                if parts.scheme not in ("mailto", "data"):
                    yield f"{path.relative_to(site)}: {link} is of no known kind"
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file():
                yield f"{path.relative_to(site)}: {link} leads nowhere"
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
                yield f"{path.relative_to(site)}: {link} has no such anchor"


def test_every_link_and_anchor_leads_somewhere(pages, site):
    assert list(_wrong_links(pages, site)) == []


def test_a_dead_link_and_a_dead_anchor_are_seen(tmp_path):
    path = tmp_path / "a.html"
    path.write_text(
        '<h1 id="top"></h1><a href="b.html"></a><a href="#top"></a><a href="#no"></a><a href="http://x"></a>'
    )

    assert [line.split(": ")[1] for line in _wrong_links({path: Page(path)}, tmp_path)] == [
        "b.html leads nowhere",
        "#no has no such anchor",
        "http://x names no host",
    ]


def test_no_page_loads_anything_from_another_host(pages):
    loaded = {load for page in pages.values() for load in page.loads}
    assert {load for load in loaded if urlsplit(load).netloc} == set()


def test_every_key_of_the_schema_is_in_the_reference_with_its_default(pages, site):
    text = unescape(re.sub(r"<[^>]+>", "", (site / "reference" / "configuration.html").read_text(encoding="utf-8")))
    cfg = compose()
    for group, model in [("", Config), *GROUPS.items(), ("logger.<name>", Logger)]:
        for name, field in model.model_fields.items():
            key = f"{group}.{field.alias or name}".lstrip(".")
            if key not in GROUPS:
                assert re.search(rf"^{re.escape(key)}$", text, re.MULTILINE), key
    assert cfg.trainer.max_epochs == 10
    assert re.search(r"trainer\.max_epochs\nwhole number in \[-1, inf\)\n10\n", text)
    assert re.search(r"optimizer\.momentum\nnumber in \[0, 1\)\n0\.9\n", text)


def test_every_choice_of_every_group_is_in_the_reference(site):
    text = (site / "reference" / "choices.html").read_text(encoding="utf-8")
    for path in [*conf_dir().glob("*/*.yaml"), *home().glob("sweeps/*.yaml")]:
        if path.stem != "base":
            assert f"<code>{path.parent.name}={path.stem}</code>" in text


def test_formulas_are_mathml(site):
    article = (site / "article.html").read_text(encoding="utf-8")
    assert "<math" in article
    assert "arithmatex" not in article
