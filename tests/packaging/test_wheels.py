"""What is published: whole, consistent, typed, and described."""

from __future__ import annotations

import email
import subprocess
import tarfile
import tomllib
import zipfile

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from hlmon_deploy import image
from tests.packaging.conftest import BIN, ROOT

PROJECTS = {
    path.parent.name: tomllib.loads(path.read_text())["project"]
    for path in sorted((ROOT / "packages").glob("*/pyproject.toml"))
}


def wheel_of(dist, name):
    (path,) = dist.glob(f"{name.replace('-', '_')}-*.whl")
    return zipfile.ZipFile(path)


def sdist_of(dist, name):
    (path,) = dist.glob(f"{name.replace('-', '_')}-*.tar.gz")
    return tarfile.open(path)


def metadata_of(wheel):
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return email.message_from_bytes(wheel.read(name))


def test_make_dist_builds_as_these_tests_do():
    recipe = (ROOT / "Makefile").read_text().partition("\ndist:")[2].partition("\n\n")[0]
    assert "uv build --quiet --all-packages --no-build-isolation" in recipe
    assert "twine check --strict dist/*" in recipe


def test_every_package_has_a_wheel_and_an_sdist_that_the_index_would_take(dist):
    files = sorted(path for path in dist.iterdir() if path.suffix in {".whl", ".gz"})
    assert len(files) == 2 * len(PROJECTS)
    checked = subprocess.run([BIN / "twine", "check", "--strict", *files], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
    assert checked.stdout.count("PASSED") == len(files)


def test_all_packages_have_one_version_which_is_also_that_of_the_deployment():
    deployment = tomllib.loads((ROOT / "deploy/pyproject.toml").read_text())["project"]
    assert len({project["version"] for project in [*PROJECTS.values(), deployment]}) == 1


def test_the_deployment_is_no_package_and_needs_the_checkout_that_it_is_in(dist):
    assert list(dist.glob("hlmon_deploy*")) == []
    assert image.FOLDER == ROOT / "deploy"
    assert ROOT / "constraints.txt" == image.CONSTRAINTS


@pytest.mark.parametrize("name", PROJECTS)
def test_a_package_says_what_it_is_where_it_comes_from_and_under_which_license(dist, name):
    metadata = metadata_of(wheel_of(dist, name))
    assert metadata["Summary"]
    assert metadata["License-Expression"] == "MIT"
    assert metadata["License-File"] == "LICENSE"
    assert metadata["Requires-Python"] == ">=3.11"
    assert {url.partition(",")[0] for url in metadata.get_all("Project-URL")} == {
        "Homepage",
        "Documentation",
        "Changelog",
        "Issues",
    }
    classifiers = metadata.get_all("Classifier")
    assert {"Typing :: Typed", "Programming Language :: Python :: 3.11"} <= set(classifiers)
    assert any(each.startswith("Development Status ::") for each in classifiers)


@pytest.mark.parametrize("name", PROJECTS)
def test_links_in_the_description_of_a_package_lead_somewhere_from_the_index_too(dist, name):
    description = metadata_of(wheel_of(dist, name)).get_payload()
    assert "](.." not in description


@pytest.mark.parametrize("name", PROJECTS)
def test_every_dependency_says_the_lowest_version_and_the_core_fits(name):
    for text in PROJECTS[name]["dependencies"]:
        requirement = Requirement(text)
        assert any(each.operator == ">=" for each in requirement.specifier), text
        if requirement.name == "hlmon-core":
            assert requirement.specifier.contains(Version(PROJECTS["hlmon-core"]["version"])), text


@pytest.mark.parametrize("name", PROJECTS)
def test_a_wheel_and_an_sdist_hold_every_file_of_the_package(dist, name):
    source = ROOT / "packages" / name / "src"
    files = {
        str(path.relative_to(source))
        for path in source.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert any(file.endswith("/py.typed") for file in files)
    assert files <= set(wheel_of(dist, name).namelist())
    in_sdist = {member.partition("/src/")[2] for member in sdist_of(dist, name).getnames()}
    assert files <= in_sdist


@pytest.mark.parametrize("name", PROJECTS)
def test_neither_holds_anything_of_a_developers_machine(dist, name):
    names = [*wheel_of(dist, name).namelist(), *sdist_of(dist, name).getnames()]
    assert [
        each for each in names if any(part in each for part in ("__pycache__", ".venv", ".db", "node_modules"))
    ] == []
