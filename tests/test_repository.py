"""What must hold of the repository itself: its layout, its lists and what it promises."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click
import pytest

import seealoud.device.errors
import seealoud.training.errors
from seealoud import device
from seealoud.device.errors import SeeAloudError
from seealoud.device.settings.load import settings_table
from seealoud.device.settings.retired import RETIRED
from seealoud.device.vision.bundle import find_bundle, load_bundle
from seealoud.device.vision.manifest import CHECKSUM, HASHED_FILES

ROOT = Path(__file__).parent.parent
TOP_LEVEL = {
    *(".ci", ".github", "convert", "device", "docs", "models", "scripts", "systemd", "tests"),
    *("seealoud", "tools", "training"),
    *(".gitattributes", ".gitignore", "LICENSE", "README.md", "pyproject.toml"),
    "setup.py",
    *("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"),
}
NO_PACKAGES = ("tests", "models", "systemd", "scripts", "tools", "docs")
MAX_BYTES = 5_000_000
MODELS_MAX_BYTES = 14_000_000  # all files of a bundle together
# Flickr8k's pictures are called 1000268201_693b08cb0e.jpg.
FLICKR8K_PICTURE = re.compile(r"\d{6,}_[0-9a-f]{10}\.jpe?g", re.IGNORECASE)
SCRIPTS = ("benchmark", "check", "demo", "install-pi", "lock", "reproduce", "setup", "test")
SHELL_PROGRAMS = (
    *(f"scripts/{name}" for name in SCRIPTS),
    "tools/home-assistant-lab",
    "tools/virtual-pi",
    ".ci/run",
)
# The process that only Piper's licence reaches.
PIPER_PROCESS = "seealoud.device.speech.piper_worker"


def tracked_files() -> list[Path]:
    """Return the files that are, or with the next commit may be, part of the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("this is no git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if (ROOT / name).is_file()]


def pyproject() -> dict[str, object]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    assert isinstance(project, dict)
    return project


# ---------------------------------------------------------------- files


def test_the_top_level_is_the_fixed_one() -> None:
    found = {path.relative_to(ROOT).parts[0] for path in tracked_files()}
    assert found - TOP_LEVEL == set()


@pytest.mark.parametrize("folder", NO_PACKAGES)
def test_what_is_no_package_has_no_init(folder: str) -> None:
    assert [*(ROOT / folder).rglob("__init__.py")] == []


def test_no_file_is_large_but_models() -> None:
    large = [
        str(path.relative_to(ROOT))
        for path in tracked_files()
        if path.stat().st_size > MAX_BYTES and not path.is_relative_to(ROOT / "models")
    ]
    assert large == []


def test_each_bundle_is_small_and_whole() -> None:
    for manifest in (ROOT / "models").glob("*/manifest.json"):
        names = {path.name for path in manifest.parent.iterdir()}
        assert {*HASHED_FILES, CHECKSUM, "MODEL_CARD.md"} <= names
        assert sum(path.stat().st_size for path in manifest.parent.iterdir()) <= MODELS_MAX_BYTES


def test_the_default_bundle_ships(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEEALOUD_BUNDLE", raising=False)
    assert load_bundle(find_bundle()).path.parent == ROOT / "models"


def test_no_picture_of_the_data_set_is_in_it() -> None:
    assert [path for path in tracked_files() if FLICKR8K_PICTURE.fullmatch(path.name)] == []


@pytest.mark.parametrize("name", SHELL_PROGRAMS)
def test_shell_scripts_can_be_run_and_stop_at_errors(name: str) -> None:
    script = ROOT / name
    assert script.stat().st_mode & 0o111, "not executable"
    assert "\nset -euo pipefail\n" in script.read_text()


def test_scripts_are_shell_programs_and_no_other() -> None:
    found = {path.name for path in tracked_files() if path.parent == ROOT / "scripts"}
    assert found == {*SCRIPTS}


def test_no_test_imports_scripts_or_tools() -> None:
    importing = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "tests").rglob("*.py")
        if re.search(r"^\s*(from|import) (scripts|tools)\b", path.read_text(), re.MULTILINE)
    ]
    assert importing == []


# ---------------------------------------------------------------- lists


def declared_dependencies() -> set[str]:
    project = pyproject()
    extras = project["optional-dependencies"]
    assert isinstance(extras, dict)
    requirements = [project["dependencies"], *extras.values()]
    return {re.split(r"[<>=!~\[; ]", line)[0] for group in requirements for line in group}


def documented_dependencies() -> set[str]:
    text = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    python, _, _ = text.partition("## Debian packages")
    return set(re.findall(r"^\| `([^`]+)` \|", python, re.MULTILINE))


def test_every_dependency_is_justified_and_no_other() -> None:
    assert documented_dependencies() == declared_dependencies()


def test_every_debian_package_is_justified() -> None:
    text = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8").partition("## Debian")[2]
    setup = (ROOT / "scripts" / "setup").read_text(encoding="utf-8")
    wanted = setup[setup.index("wanted_packages() {") : setup.index("is_there() {")]
    packages = set(re.findall(r"(?:echo |\")([a-z][a-z0-9-]+) [a-z/]", wanted))
    install_pi = (ROOT / "scripts" / "install-pi").read_text(encoding="utf-8")
    on_the_device = install_pi[install_pi.index("install_packages() {") :].partition("\n}")[0]
    packages |= set(re.findall(r"\bpython3-[a-z0-9]+", on_the_device))
    assert packages | {"python3-venv"} == set(re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE))


def error_classes(module: ModuleType) -> list[type[SeeAloudError]]:
    return [
        member
        for _, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, SeeAloudError) and member.__module__ == module.__name__
    ]


@pytest.mark.parametrize("module", [seealoud.device.errors, seealoud.training.errors])
def test_every_error_is_in_the_drawn_tree_under_its_parent(module: ModuleType) -> None:
    drawn = dict(drawn_tree(module.__doc__ or ""))
    for error in error_classes(module):
        if error is SeeAloudError:
            continue
        parent = next(base for base in error.__bases__ if issubclass(base, SeeAloudError))
        assert drawn[error.__name__] == parent.__name__
    assert set(drawn) == {error.__name__ for error in error_classes(module)} - {"SeeAloudError"}


def drawn_tree(docstring: str) -> Iterator[tuple[str, str]]:
    """Yield (class, parent) of a tree that is drawn with box characters."""
    ancestors: list[tuple[int, str]] = []
    for line in docstring.splitlines():
        match = re.match(r"([ │├└─]*)(\w+)", line)
        if match is None or ("─" not in match[1] and match[2] != SeeAloudError.__name__):
            continue
        depth, name = len(match[1]), match[2]
        while ancestors and ancestors[-1][0] >= depth:
            ancestors.pop()
        if ancestors:
            yield name, ancestors[-1][1]
        ancestors.append((depth, name))


def test_own_errors_are_defined_only_in_the_two_trees() -> None:
    defined = [
        f"{path.relative_to(ROOT)}: {name}"
        for folder in ("device", "training", "convert")
        for path in (ROOT / folder).rglob("*.py")
        if path.name != "errors.py"
        for name in re.findall(r"^class (\w+)\(.*Error\b.*\):", path.read_text(), re.MULTILINE)
    ]
    assert defined == []


# ---------------------------------------------------------------- imports


def test_packages_are_imported_by_their_full_names() -> None:
    """A second copy of a module would have second copies of its classes."""
    bare = re.compile(r"^\s*(from|import) (device|training|convert)\b", re.MULTILINE)
    found = [
        str(path.relative_to(ROOT))
        for path in tracked_files()
        if path.suffix == ".py" and bare.search(path.read_text(encoding="utf-8"))
    ]
    assert found == [], "write seealoud.device, seealoud.training, seealoud.convert"


def test_the_folder_device_is_no_package_of_its_own() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import device"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "import seealoud.device instead" in done.stderr


@pytest.mark.parametrize("name", ["device", "training", "convert", "models"])
def test_each_package_is_linked_where_its_name_says(name: str) -> None:
    link = ROOT / "seealoud" / name
    assert link.is_symlink()
    assert link.readlink() == Path("..") / name


def test_the_device_imports_no_tensorflow() -> None:
    names = [
        module.name
        for module in pkgutil.walk_packages(device.__path__, "seealoud.device.")
        if module.name != PIPER_PROCESS
    ]
    assert len(names) > 30
    program = (
        "import importlib, sys\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        "kept_out = {'tensorflow', 'keras', 'torch', 'piper'}\n"
        "kept_out |= {'seealoud.training', 'seealoud.convert'}\n"
        "found = kept_out & {*sys.modules}\n"
        "sys.exit(f'imported: {found}' if found else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


# ---------------------------------------------------------------- README


def readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


PAGES = [
    *("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"),
    *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
]
# Code, in which nothing is a link.
CODE = re.compile(r"^```.*?^```|^    .*?$|`[^`\n]*`", re.DOTALL | re.MULTILINE)


def page_commands(page: str) -> list[list[str]]:
    """Return the command lines of a page: of its blocks, and between backticks."""
    text = (ROOT / page).read_text(encoding="utf-8")
    fenced = "\n".join(re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
    indented = [line for line in text.splitlines() if line.startswith("    ")]
    blocks = [line.partition("  #")[0] for line in (*indented, *fenced.splitlines())]
    spans = re.findall(r"`((?:sudo )?(?:\./|seealoud )[^`]+)`", text)
    lines = [re.split(r" \| | && |; ", line)[0] for line in (*blocks, *spans)]
    commands = [shlex.split(line, comments=True) for line in lines]
    commands = [words[1:] if words[:1] == ["sudo"] else words for words in commands]
    return [words for words in commands if words and re.match(r"\./|seealoud", words[0])]


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_exist(page: str) -> None:
    entry_points = pyproject()["scripts"]
    assert isinstance(entry_points, dict)
    for words in page_commands(page):
        if words[0].startswith("./"):
            assert (ROOT / words[0]).is_file(), words
            continue
        module_name = entry_points[words[0]].partition(":")[0]
        # The device's own imports its commands later, to handle signals first.
        module_name = module_name.replace("seealoud.__main__", "seealoud.device.commands.program")
        module = importlib.import_module(module_name)
        command: click.Command = module.cli
        arguments = words[1:]
        while isinstance(command, click.Group) and re.match(r"[a-z]", (arguments or ["-"])[0]):
            found = command.get_command(click.Context(command), arguments.pop(0))
            assert found is not None, words
            command = found
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in arguments if word.startswith("--")} <= known | {"--help"}, words


def test_the_readme_names_the_two_commands() -> None:
    named = {words[0] for words in page_commands("README.md")}
    assert {"./scripts/demo", "./scripts/test", "seealoud"} <= named


def test_the_readme_is_short() -> None:
    assert len(readme().splitlines()) <= 110, "move details to a page of docs/"


def test_nothing_is_left_to_fill_in() -> None:
    assert "TODO" not in readme()


def page_links(page: str) -> list[tuple[Path, str]]:
    """Return the links of a page that stay in the repository, as file and heading."""
    text = CODE.sub("", (ROOT / page).read_text(encoding="utf-8"))
    links = re.findall(r"""(?:\]\(|src=")([^)":\s]+)[)"]""", text)
    split = [link.partition("#") for link in links]
    return [((ROOT / page).parent / file if file else ROOT / page, name) for file, _, name in split]


def headings(path: Path) -> set[str]:
    """Return the names by which GitHub links to the headings of a page."""
    found = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in found}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_a_file_and_to_a_heading_in_it(page: str) -> None:
    for path, heading in page_links(page):
        assert path.exists(), path
        assert not heading or heading in headings(path), f"{path}#{heading}"


@pytest.mark.parametrize("page", [*PAGES, ".github/ISSUE_TEMPLATE/bug.yml"])
def test_no_page_recommends_a_setting_that_is_retired(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    used = {key.name for key in settings_table().walk_keys()}  # in another table
    for dotted in RETIRED:
        name = dotted.rpartition(".")[2]
        assert dotted not in text
        assert name in used or not re.search(
            rf"`{name}( = [^`]+)?`|^#?{name} =", text, re.MULTILINE
        ), name


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "SECURITY.md", "docs/architecture.md"])
def test_the_files_that_a_page_names_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    named = re.findall(
        r"`((?:device|training|convert|tests|docs|tools|scripts|systemd)/[\w./-]*)`", text
    )
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", ["CONTRIBUTING.md"])
def test_the_tests_that_a_page_names_exist(page: str) -> None:
    named = re.findall(r"`(test_\w+|[A-Z]+)`", (ROOT / page).read_text(encoding="utf-8"))
    defined = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("*.py"))
    defined += "\n".join(path.read_text() for path in (ROOT / "device").rglob("*.py"))
    assert [name for name in named if not re.search(rf"\b(def )?{name}\b", defined)] == []
