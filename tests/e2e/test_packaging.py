"""The wheel and the sdist: what is in them, and the program that they install elsewhere.

Built once by setuptools without build isolation, and installed without dependencies: the
environment of the wheel takes those of this one by a ``.pth`` file. Other Pythons install the wheel
and show its version; with ``SEEALOUD_TEST_INSTALL=1`` pip, uv and pipx install everything (0.5 GB)
for each Python, and each describes a picture.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from support.shipped import needs_shipped_bundle

import seealoud

ROOT = Path(__file__).parents[2]
PHOTO = ROOT / "docs" / "figures" / "photos" / "two-dogs.jpg"
FOLDERS = ("device", "training", "convert", "models")
SWITCH = "SEEALOUD_TEST_INSTALL"
THIS_PYTHON = "{}.{}".format(*sys.version_info)
PYTHONS = ("3.11", "3.12", "3.13")
OTHER_PYTHONS = [version for version in PYTHONS if version != THIS_PYTHON]
OLDEST_SETUPTOOLS = 77
DEADLINE_S = 300
INSTALL_DEADLINE_S = 1800
BUILD = """\
import sys
from setuptools import build_meta
print(getattr(build_meta, sys.argv[1])(sys.argv[2]))
"""
# Fails wherever it is imported in place of the package of that name.
TRAP = "raise SystemExit('a folder of the user was imported in place of SeeAloud')\n"
USER_PROGRAM = """\
import sys, device
assert device.MINE, device
import seealoud
import seealoud.device
assert seealoud.device.__file__ != device.__file__
with seealoud.load() as describer:
    print(describer.describe(sys.argv[1]).text)
"""
TYPED = """\
import seealoud

with seealoud.load() as describer:
    description: seealoud.Description = describer.describe("photo.jpg")
    text: str = description.text
    probability: float | None = description.probability
    for thing in description.things:
        side: seealoud.Side | None = thing.side
    for at_s, found in describer.describe_video("clip.avi"):
        seconds: float = at_s
WRONG: int = seealoud.load().describe("photo.jpg")
seealoud.lod()
"""

pytestmark = [needs_shipped_bundle, pytest.mark.xdist_group("packaging")]


def run(*command: object, cwd: Path, timeout_s: float = DEADLINE_S, **environment: str) -> str:
    """Run a command in a small environment and return its stdout."""
    kept = ("PATH", "HOME", "TMPDIR", "LANG")
    clean = {name: os.environ[name] for name in kept if name in os.environ}
    clean |= {name: x for name, x in os.environ.items() if name.startswith(("PIP_", "UV_", "SSL_"))}
    done = subprocess.run(
        [*map(str, command)],
        cwd=cwd,
        env=clean | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout_s,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def tracked() -> list[Path]:
    """Return the paths of the repository's files and links, relative to it."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listed.returncode != 0:
        pytest.skip("this is no git checkout")
    paths = [Path(name) for name in listed.stdout.split("\0") if name]
    return [path for path in paths if (ROOT / path).is_symlink() or (ROOT / path).is_file()]


def copy_checkout(target: Path, *, has_links: bool = True) -> Path:
    """Copy what a clone has; without links: as pip unpacks a ZIP archive of the repository."""
    wanted = (*FOLDERS, "seealoud", "pyproject.toml", "setup.py", "README.md", "LICENSE")
    for path in tracked():
        if path.parts[0] not in wanted:
            continue
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / path).is_symlink() and not has_links:
            (target / path).write_text(str((ROOT / path).readlink()))
        else:
            shutil.copy(ROOT / path, target / path, follow_symlinks=False)
    return target


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment with SeeAloud in it."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def program(self) -> Path:
        return self.folder / "bin" / "seealoud"

    @property
    def packages(self) -> Path:
        (found,) = (self.folder / "lib").glob("python3.*/site-packages")
        return found

    def listing(self) -> dict[str, tuple[int, int]]:
        return {
            str(path.relative_to(self.folder)): (path.stat().st_size, path.stat().st_mtime_ns)
            for path in self.folder.rglob("*")
            if path.is_file()
        }


class Builder:
    """Builds and installs with the setuptools of this environment, or one of its own if too old."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        import setuptools

        self._environment: dict[str, str] = {}
        if int(setuptools.__version__.partition(".")[0]) < OLDEST_SETUPTOOLS:
            tools = folder / "tools"
            requirement = f"setuptools>={OLDEST_SETUPTOOLS}"
            self.pip("install", "--quiet", "--target", tools, requirement)
            self._environment["PYTHONPATH"] = str(tools)

    def pip(self, *arguments: object) -> None:
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
        run(*pip, *arguments, cwd=self._folder, timeout_s=INSTALL_DEADLINE_S)

    def build(self, kind: str, source: Path) -> Path:
        """Return the file that ``build_sdist``, ``build_wheel`` or ``build_editable`` makes."""
        out = Path(self._folder, f"{kind}-{source.name}")
        out.mkdir()
        said = run(sys.executable, "-c", BUILD, kind, out, cwd=source, **self._environment)
        return out / said.splitlines()[-1]

    def environment(
        self, name: str, wheel: Path, *options: str, python: object = sys.executable
    ) -> Environment:
        """Return a new environment with a wheel, and with the dependencies of this one."""
        made = Environment(self._folder / name)
        run(python, "-m", "venv", "--without-pip", made.folder, cwd=self._folder)
        self.pip("--python", made.python, "install", "--quiet", "--no-deps", *options, wheel)
        dependencies = sysconfig.get_paths()["purelib"]
        (made.packages / "dependencies.pth").write_text(f"{dependencies}\n")
        return made


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Builder:
    return Builder(tmp_path_factory.mktemp("builds"))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_checkout(tmp_path_factory.mktemp("checkout"))


@pytest.fixture(scope="module")
def sdist(builder: Builder, checkout: Path) -> Path:
    return builder.build("build_sdist", checkout)


@pytest.fixture(scope="module")
def wheel(builder: Builder, sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the sdist: what pip builds where there is no wheel."""
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    return builder.build("build_wheel", next(folder.iterdir()))


@pytest.fixture(scope="module")
def installed(builder: Builder, wheel: Path) -> Environment:
    return builder.environment("wheel", wheel)


@pytest.fixture(scope="module")
def editable(builder: Builder, checkout: Path) -> Environment:
    return builder.environment("editable", builder.build("build_editable", checkout))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a user's folder with a picture, and with folders named as our packages."""
    shutil.copy(PHOTO, tmp_path / "photo.jpg")
    for name in FOLDERS:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(TRAP)
    return tmp_path


@cache
def expected_text() -> str:
    with seealoud.load() as describer:
        return describer.describe(PHOTO).text


def names_in(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


# ---------------------------------------------------------------- what is in it


def test_the_wheel_has_every_file_of_the_packages_and_nothing_else(wheel: Path) -> None:
    names = names_in(wheel)
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"seealoud"}
    inside = {name for name in names if name.startswith("seealoud/")}
    files = [path for path in tracked() if not (ROOT / path).is_symlink()]
    expected = {f"seealoud/{path}" for path in files if path.parts[0] in FOLDERS}
    expected |= {str(path) for path in files if path.parts[0] == "seealoud"}
    assert inside == expected
    assert "seealoud/py.typed" in inside


def test_a_zip_archive_of_the_repository_gives_the_same_wheel(
    builder: Builder, wheel: Path, tmp_path: Path
) -> None:
    unpacked = copy_checkout(tmp_path / "archive", has_links=False)
    assert (unpacked / "seealoud" / "device").read_text() == "../device"
    assert names_in(builder.build("build_wheel", unpacked)) == names_in(wheel)


# ---------------------------------------------------------------- what it installs


@pytest.mark.parametrize("kind", ["installed", "editable"])
def test_a_fresh_installation_describes_and_speaks_and_writes_nothing_of_its_own(
    kind: str, home: Path, request: pytest.FixtureRequest
) -> None:
    environment: Environment = request.getfixturevalue(kind)
    before = environment.listing()
    said = run(
        environment.program, "describe", "photo.jpg", "--wav", "said.wav",
        cwd=home, HOME=str(home), PYTHONPATH=str(home),
    )  # fmt: skip
    assert said.strip() == expected_text()
    assert (home / "said.wav").stat().st_size > 20_000
    described = json.loads(
        # The current folder is on Python's path.
        run(environment.python, "-m", "seealoud", "describe", "--json", "photo.jpg", cwd=home)
    )
    assert described["text"] == expected_text()
    if kind == "installed":  # an editable one writes byte code into its checkout
        assert environment.listing() == before


@pytest.mark.parametrize("kind", ["installed", "editable"])
def test_a_user_s_own_package_device_and_ours_are_used_side_by_side(
    kind: str, home: Path, request: pytest.FixtureRequest
) -> None:
    environment: Environment = request.getfixturevalue(kind)
    (home / "device" / "__init__.py").write_text("MINE = True\n")
    (home / "program.py").write_text(USER_PROGRAM)
    said = run(environment.python, "program.py", "photo.jpg", cwd=home)
    assert said.strip() == expected_text()


def test_the_parts_that_install_pi_copies_are_enough(
    builder: Builder, home: Path, tmp_path: Path
) -> None:
    script = (ROOT / "scripts" / "install-pi").read_text(encoding="utf-8")
    found = re.search(r"^readonly parts=\((.+)\)$", script, re.MULTILINE)
    assert found is not None
    copied = tmp_path / "src"
    copied.mkdir()
    subprocess.run(["cp", "-a", "--parents", "--", *found[1].split(), copied], cwd=ROOT, check=True)
    assert not (copied / "training").exists()
    environment = builder.environment("pi", builder.build("build_editable", copied))
    # Those of the page are found beside its modules.
    page_file = "import seealoud.device.web as web; print(web.__path__[0] + '/templates/live.html')"
    found_at = Path(run(environment.python, "-c", page_file, cwd=home).strip())
    assert found_at.is_relative_to(copied)
    assert found_at.is_file()
    said = run(environment.program, "describe", "photo.jpg", cwd=home, PYTHONPATH=str(home))
    assert said.strip() == expected_text()


@pytest.mark.parametrize("name", ["seealoud-train", "seealoud-convert"])
def test_the_other_programs_start(installed: Environment, name: str, home: Path) -> None:
    pytest.importorskip("tqdm", reason="the extra training is not installed")
    said = run(installed.folder / "bin" / name, "--help", cwd=home, PYTHONPATH=str(home))
    assert "Usage:" in said


def test_a_type_checker_sees_the_types_of_the_wheel(installed: Environment, home: Path) -> None:
    (home / "typed.py").write_text(TYPED)
    mypy = Path(sys.executable).with_name("mypy")
    if not mypy.is_file():
        pytest.skip("mypy is not installed")
    done = subprocess.run(
        [mypy, "--strict", "--python-executable", installed.python, "typed.py"],
        cwd=home, capture_output=True, text=True, check=False, timeout=DEADLINE_S,
    )  # fmt: skip
    errors = [line for line in done.stdout.splitlines() if "error:" in line]
    assert len(errors) == 2, done.stdout + done.stderr
    assert '"Description", variable has type "int"' in errors[0]
    assert 'has no attribute "lod"' in errors[1]


DEFAULT_FOLDERS = """\
import pathlib
from seealoud.convert.__main__ import cli as convert
from seealoud.convert.names import cli as names
from seealoud.training.__main__ import cli as training
from seealoud.training.run_folder import source_commit

for command in (convert, names, *training.commands.values()):
    for option in command.params:
        if isinstance(option.default, pathlib.Path):
            print(option.default)
print(source_commit())
"""


def test_the_commands_of_training_write_into_the_current_folder(
    installed: Environment, home: Path
) -> None:
    pytest.importorskip("tensorflow", reason="the extra training is not installed")
    *folders, commit = run(installed.python, "-c", DEFAULT_FOLDERS, cwd=home).splitlines()
    assert {"models", "docs/runs", "docs/names.json", "docs"} <= set(folders)
    assert [folder for folder in folders if Path(folder).is_absolute()] == []
    assert commit == "unknown"


# ---------------------------------------------------------------- other Pythons


def find_python(version: str) -> str | None:
    """Return a Python of that version that really runs: a shim of pyenv may not."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    candidates: Iterable[object] = (
        shutil.which(f"python{version}"),
        *sorted(pyenv.glob(f"versions/{version}.*/bin/python")),
    )
    for candidate in filter(None, candidates):
        done = subprocess.run(
            [str(candidate), "-c", "import ensurepip, sys; print(*sys.version_info[:2], sep='.')"],
            capture_output=True, text=True, check=False, timeout=DEADLINE_S,
        )  # fmt: skip
        if done.returncode == 0 and done.stdout.strip() == version:
            return str(candidate)
    return None


def python_or_skip(version: str) -> str:
    found = find_python(version)
    if found is None:
        pytest.skip(f"no Python {version} runs here")
    return found


@pytest.mark.parametrize("version", OTHER_PYTHONS)
def test_the_wheel_suits_a_python(
    version: str, builder: Builder, wheel: Path, tmp_path: Path
) -> None:
    # Click is the only dependency that is needed, and it is the same for each Python.
    python = python_or_skip(version)
    made = builder.environment(f"python-{version}", wheel, "--no-compile", python=python)
    said = run(made.program, "--version", cwd=tmp_path)
    assert said.strip() == f"seealoud {seealoud.__version__}"
    run(made.python, "-W", "error", "-m", "compileall", "-q", "-f", made.packages / "seealoud",
        cwd=tmp_path)  # fmt: skip


installs = pytest.mark.skipif(
    os.environ.get(SWITCH) != "1",
    reason=f"installs 0.5 GB for each Python; run: {SWITCH}=1 python -m pytest {Path(__file__)}",
)


@pytest.fixture
def whole(home: Path) -> Iterator[Environment]:
    """Return where an environment with everything in it is made; it is too large to be kept."""
    yield Environment(home / "environment")
    for folder in ("environment", "uv", "pipx"):
        shutil.rmtree(home / folder, ignore_errors=True)


@installs
@pytest.mark.parametrize(
    ("source", "version"),
    [
        *(("wheel", version) for version in PYTHONS),
        ("sdist", THIS_PYTHON),
        ("checkout", THIS_PYTHON),
    ],
)
def test_pip_installs_everything(
    source: str, version: str, home: Path, whole: Environment, request: pytest.FixtureRequest
) -> None:
    run(python_or_skip(version), "-m", "venv", whole.folder, cwd=home)
    pip = [whole.python, "-m", "pip", "install", "--quiet", request.getfixturevalue(source)]
    run(*pip, cwd=home, timeout_s=INSTALL_DEADLINE_S)
    before = whole.listing()
    said = run(whole.program, "describe", "photo.jpg", cwd=home, HOME=str(home))
    assert said.strip() == expected_text()
    assert whole.listing() == before


@installs
@pytest.mark.parametrize("tool", ["uv", "pipx"])
def test_tools_install_everything(tool: str, home: Path, whole: Environment, wheel: Path) -> None:
    run(sys.executable, "-m", "venv", whole.folder, cwd=home)
    run(whole.python, "-m", "pip", "install", "--quiet", tool, cwd=home)
    arguments = ["tool", "install"] if tool == "uv" else ["install"]
    run(
        whole.folder / "bin" / tool, *arguments, "--python", sys.executable, wheel,
        cwd=home, timeout_s=INSTALL_DEADLINE_S, HOME=str(home),
        PIPX_HOME=str(home / "pipx"), PIPX_BIN_DIR=str(home / "bin"),
        UV_TOOL_DIR=str(home / "uv"), UV_TOOL_BIN_DIR=str(home / "bin"),
    )  # fmt: skip
    said = run(home / "bin" / "seealoud", "describe", "photo.jpg", cwd=home, HOME=str(home))
    assert said.strip() == expected_text()
