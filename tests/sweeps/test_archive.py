"""A sweep's folder as one file, and back."""

import tarfile

import pytest

from orchestrator.core.errors import InputError
from orchestrator.core.sweep_folder import archive_of, find_sweep, lock_sweep
from orchestrator.sweeps import archive as module
from orchestrator.sweeps.archive import archive_sweep, restore_sweep


def contents(workspace):
    root = workspace.root
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_there_and_back_it_is_the_same_but_for_rays_own_files(make, out):
    workspace = make("mine", trials=3, finished=True)
    before = {name: data for name, data in contents(workspace).items() if not name.startswith("tune/")}
    path = archive_sweep(workspace)
    assert path == archive_of(out, "mine") and not workspace.root.exists()
    with tarfile.open(path) as packed:
        assert packed.getnames()[:2] == ["spec.yaml", "result.json"]
    with pytest.raises(InputError, match="is archived. Bring it back with: .* restore mine"):
        find_sweep("mine", out)
    assert restore_sweep("mine", out).root == workspace.root
    assert contents(workspace) == before
    assert not path.exists() and {p.name for p in out.iterdir()} == {"mine", "archive"}


def test_one_that_mlflow_has_not_heard_all_of_is_refused(make):
    workspace = make("mine", trials=2, told=False)
    with pytest.raises(InputError, match="1 events of mine have not reached MLflow"):
        archive_sweep(workspace)
    assert workspace.spec.is_file()
    archive_sweep(workspace, force=True)
    assert not workspace.root.exists()


def test_a_running_one_is_refused(make, out):
    workspace = make("mine", trials=2)
    with lock_sweep(workspace), pytest.raises(InputError, match="mine is running"):
        archive_sweep(workspace)
    assert workspace.spec.is_file() and not archive_of(out, "mine").exists()


def test_killed_while_packing_the_folder_is_whole_and_there_is_no_archive(make, out, monkeypatch):
    workspace = make("mine", trials=2)
    before = contents(workspace)

    def killed(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_compare", killed)
    with pytest.raises(KeyboardInterrupt):
        archive_sweep(workspace)
    assert {name: data for name, data in contents(workspace).items() if name != ".lease"} == before
    assert not list((out / "archive").iterdir())


def test_a_file_that_grows_meanwhile_stops_it(make, monkeypatch):
    workspace = make("mine", trials=2)
    pack = module._pack

    def slowly(workspace, draft):
        pack(workspace, draft)
        workspace.log.write_text("a word more", encoding="utf-8")

    monkeypatch.setattr(module, "_pack", slowly)
    with pytest.raises(InputError, match="changed while it was archived"):
        archive_sweep(workspace)
    assert workspace.spec.is_file()


def test_nothing_is_overwritten(make, out):
    archive_sweep(make("mine", trials=2))
    again = make("mine")
    with pytest.raises(InputError, match="in the archive already"):
        archive_sweep(again)
    with pytest.raises(InputError, match="is there already"):
        restore_sweep("mine", out)
    assert again.spec.is_file() and archive_of(out, "mine").is_file()


def test_what_is_not_there_or_torn(make, out):
    with pytest.raises(InputError, match="no archived sweeps"):
        restore_sweep("mine", out)
    path = archive_sweep(make("mine", trials=2))
    with pytest.raises(InputError, match="did you mean mine"):
        restore_sweep("mina", out)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match="cannot be read"):
        restore_sweep("mine", out)
    assert path.is_file() and {p.name for p in out.iterdir()} == {"archive"}
