"""The documentation against the code: its commands parse, its Python runs."""

import re
import shlex
from pathlib import Path

import pytest

from rfdiff.cli import parser_of
from rfdiff.cli.options import attach_negative_values

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page, language):
    """Return the code blocks of a page in a language."""
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def commands():
    """Return every `rfdiff …` command of the documentation and of the scripts."""
    shell = [text for page in PAGES for text in blocks(page, "sh")]
    shell += [path.read_text() for path in sorted((ROOT / "scripts").glob("*.sh"))]
    lines = "\n".join(shell).replace("\\\n", " ").splitlines()
    found = [line.strip() for line in lines if line.strip().startswith("rfdiff ")]
    return [line.split(" | ")[0] for line in found if "$" not in line]


@pytest.mark.parametrize("command", commands())
def test_commands_parse(command):
    arguments = attach_negative_values(shlex.split(command, comments=True)[1:])
    assert callable(parser_of(arguments).parse_args(arguments).run)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_python_runs(page, tmp_path, monkeypatch):
    """All blocks of a page in one namespace, on fewer seeds and features."""
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "documentation"}
    for text in blocks(page, "python"):
        fewer = text.replace("range(12)", "range(1)").replace("m=256", "m=32")
        exec(compile(fewer, str(page), "exec"), namespace)


def test_images_are_there():
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for name in re.findall(r'src="([^"]+)"|!\[[^\]]*\]\(([^)]+)\)', text):
            path = page.parent / (name[0] or name[1])
            assert path.read_bytes().startswith(b"\x89PNG")
