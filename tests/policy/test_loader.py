"""Folders of policy files."""

import hashlib
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from setpoint.policy.loader import MOST_PROBLEMS, load_policies, load_policy, policy_named
from setpoint.policy.problems import PolicyError
from setpoint.policy.yaml_text import MAX_BYTES

EXAMPLES = Path(__file__).resolve().parents[2] / "include" / "policies"


def test_a_good_file_is_loaded_with_its_hash(write) -> None:
    """The policy, where it came from, and which version of the file it was."""
    path = write()
    loaded = load_policy(path)
    assert (loaded.path, loaded.policy.name) == (path, "web")
    assert loaded.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_broken_file_does_not_stop_the_others(write, tmp_path: Path) -> None:
    """Every other policy is loaded; the broken ones come with their problems."""
    write(("name: web", "name: api"), name="api.yaml")
    broken = write(("above: 70", "above: hot"), name="bad.yaml")
    syntax = write(text="a: [", name="syntax.yml")
    write()
    loaded = load_policies(tmp_path)
    assert [one.policy.name for one in loaded.policies] == ["api", "web"]
    assert {path: len(problems) for path, problems in loaded.broken.items()} == {broken: 1, syntax: 1}
    assert loaded.named("api") is not None
    assert loaded.named("bad") is None


def test_only_policy_files_are_read(write, tmp_path: Path) -> None:
    """Hidden files, folders and other file types are not policies."""
    for name in (".web.yaml", "web.yaml~", "README.md"):
        write(text="not: a policy", name=name)
    (tmp_path / "folder.yaml").mkdir()
    assert load_policies(tmp_path) == load_policies(tmp_path)
    assert not load_policies(tmp_path).broken


def test_of_two_files_with_one_name_the_second_is_refused(write, tmp_path: Path) -> None:
    """The first by file name runs; the problem names it."""
    first = write(name="a.yaml")
    second = write(name="b.yaml")
    loaded = load_policies(tmp_path)
    assert [one.path for one in loaded.policies] == [first]
    (problem,) = loaded.broken[second]
    assert (problem.path, problem.line, problem.column, problem.value) == ("name", 2, 1, '"web"')
    assert "a.yaml" in problem.message


def test_of_two_files_with_one_name_the_one_named_after_it_runs(write, tmp_path: Path) -> None:
    """``web.yaml`` keeps the name ``web``, whichever file comes first, and asking by name agrees."""
    copy, own = write(name="a.yaml"), write()
    assert list(load_policies(tmp_path).broken) == [copy]
    assert policy_named("web", tmp_path).path == own


def test_a_policy_is_found_by_name_in_any_file(write, tmp_path: Path) -> None:
    """The file need not be called after the policy."""
    path = write(name="fleet.yaml")
    assert policy_named("web", tmp_path).path == path


@pytest.mark.parametrize("name", ["wbe", "", "../web", "nothing/like/it", "x" * 300])
def test_an_unknown_name_says_which_there_are(write, tmp_path: Path, name: str) -> None:
    """The error lists the policies; a name is never taken for a path."""
    write(name="fleet.yaml")
    with pytest.raises(PolicyError, match="no policy has this name") as refused:
        policy_named(name, tmp_path)
    assert refused.value.problems[0].allowed == "web"


def test_asking_for_a_broken_policy_by_name_says_what_is_wrong(write, tmp_path: Path) -> None:
    """The problems of its file, not that it is unknown."""
    write(("above: 70", "above: hot"))
    with pytest.raises(PolicyError) as refused:
        policy_named("web", tmp_path)
    assert [problem.path for problem in refused.value.problems] == ["scale.out.above"]


def test_a_changed_file_is_read_again_and_an_unchanged_one_is_not(write, tmp_path: Path) -> None:
    """The same objects come back until size or modification time change."""
    path = write()
    first = load_policies(tmp_path).policies[0]
    assert load_policies(tmp_path).policies[0] is first
    write(("max: 20", "max: 30"))
    os.utime(path, ns=(1, 1))
    assert load_policies(tmp_path).policies[0].policy.limits.max == 30
    write(("max: 20", "max: -1"))
    os.utime(path, ns=(2, 2))
    assert list(load_policies(tmp_path).broken) == [path]
    path.unlink()
    assert load_policies(tmp_path).policies == ()


@pytest.mark.parametrize("name", ["missing", "web.yaml"])
def test_a_folder_that_cannot_be_read_is_an_error(write, tmp_path: Path, name: str) -> None:
    """A wrong folder is not an empty one."""
    write()
    with pytest.raises(PolicyError, match="cannot be read"):
        load_policies(tmp_path / name)


def test_a_file_that_cannot_be_read_is_a_problem_of_that_file(write, tmp_path: Path) -> None:
    """A link to nowhere among the files is reported; the others load."""
    write()
    link = tmp_path / "gone.yaml"
    link.symlink_to(tmp_path / "nowhere")
    with pytest.raises(PolicyError, match="cannot be read"):
        load_policy(link)
    assert len(load_policies(tmp_path).policies) == 1


def test_a_file_that_is_not_utf_8_says_where(tmp_path: Path) -> None:
    """The line and column of the first byte that is not."""
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"version: 1\nowner: caf\xe9\n")
    with pytest.raises(PolicyError) as refused:
        load_policy(path)
    (problem,) = refused.value.problems
    assert (problem.line, problem.column) == (2, 11)
    assert "UTF-8" in problem.message


def test_a_byte_order_mark_is_no_mistake(write) -> None:
    """Editors on Windows write one."""
    path = write()
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load_policy(path).policy.name == "web"


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    """More than 256 KiB is no policy."""
    path = tmp_path / "huge.yaml"
    path.write_bytes(b"# " + b"x" * MAX_BYTES)
    with pytest.raises(PolicyError, match="larger than 256 KiB"):
        load_policy(path)


def test_a_file_full_of_mistakes_does_not_bury_the_reader(write) -> None:
    """Of thousands of problems the first are listed, and how many more there are."""
    path = write(text="\n".join(f"junk{number}: 1" for number in range(1000)))
    with pytest.raises(PolicyError) as refused:
        load_policy(path)
    problems = refused.value.problems
    assert len(problems) == MOST_PROBLEMS + 1
    missing_keys = 8
    assert f"and {1000 + missing_keys - MOST_PROBLEMS} more" in problems[-1].message


def test_the_error_survives_a_process_border(write) -> None:
    """Airflow pickles exceptions between processes."""
    with pytest.raises(PolicyError) as refused:
        load_policy(write(("above: 70", "above: hot")))
    copy = pickle.loads(pickle.dumps(refused.value))
    assert copy.problems == refused.value.problems
    assert str(copy) == str(refused.value)


def test_loading_policies_imports_nothing_heavy() -> None:
    """Parsing a Dag file loads policies, in every task process: no pandas, boto3 or Great Expectations, no Airflow."""
    code = (
        "import sys\nfrom pathlib import Path\nfrom setpoint.policy.loader import load_policies\n"
        f"loaded = load_policies(Path({str(EXAMPLES)!r}))\nassert loaded.policies and not loaded.broken\n"
        "heavy = {'airflow', 'boto3', 'botocore', 'pandas', 'numpy', 'pyarrow', 'great_expectations', 'sqlalchemy'}\n"
        "print(','.join(sorted(heavy & set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == ""
