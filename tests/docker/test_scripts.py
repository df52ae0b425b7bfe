"""The images' scripts: their form, and those that need no server."""

import os
import stat

import pytest

from tests.docker.scripts import DOCKER, SCRIPTS, environment, run, tool

ALL = sorted(SCRIPTS.glob("*.sh"))
PASSWORD = "correct horse"


def test_shellcheck_finds_nothing():
    done = tool("shellcheck", *ALL, DOCKER.parent / ".ci" / "run")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("script", ALL, ids=lambda path: path.name)
def test_script_is_executable_and_describes_itself(script):
    assert os.access(script, os.X_OK)
    first, second = script.read_text(encoding="utf-8").splitlines()[:2]
    assert first in {"#!/usr/bin/env bash", "#!/bin/sh"} and second.startswith("# ")


def test_command_gets_passwords_from_files(tmp_path):
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n", encoding="utf-8")
    show = ["python", "-c", "import os, sys; print(os.environ['PGPASSWORD'], *sys.argv[1:])", "a b"]
    assert run("run.sh", *show, PGPASSWORD_FILE=file).stdout == f"{PASSWORD} a b\n"
    assert run("run.sh", *show, PGPASSWORD_FILE=file, PGPASSWORD="given").stdout == "given a b\n"
    absent = run("run.sh", *show, PGPASSWORD_FILE="/nowhere")
    assert (absent.returncode, absent.stderr) == (
        2,
        "run.sh: PGPASSWORD_FILE names /nowhere, which cannot be read.\n",
    )
    assert run("run.sh", "python", "-c", "raise SystemExit(7)").returncode == 7


def test_secrets_are_created_once_and_readable_by_their_owner(tmp_path):
    folder = tmp_path / "secrets"
    assert run("make-secrets.sh", folder).returncode == 0
    made = {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir()}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert len(set(made.values())) == len(made) == 7
    assert all(len(text) == 64 for name, text in made.items() if name != "s3_credentials")
    (folder / "ray_token").unlink()
    done = run("make-secrets.sh", folder)
    again = {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir()}
    assert {name for name in made if made[name] != again[name]} == {"ray_token"}
    assert not any(text in done.stdout + done.stderr for text in again.values())


def test_store_starts_with_the_keys_of_its_clients(tmp_path):
    run("make-secrets.sh", tmp_path / "secrets")
    credentials = tmp_path / "secrets" / "s3_credentials"
    gateway = tmp_path / "bin" / "versitygw"
    gateway.parent.mkdir()
    gateway.write_text('#!/bin/sh\necho "$ROOT_ACCESS_KEY" "$ROOT_SECRET_KEY" "$VGW_PORT" "$@"\n', encoding="utf-8")
    gateway.chmod(0o755)
    path = f"{gateway.parent}{os.pathsep}{environment()['PATH']}"
    done = run("s3.sh", PATH=path, S3_CREDENTIALS_FILE=credentials, S3_FOLDER=tmp_path / "data")

    import boto3

    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):  # another test's, which would come first
            patch.delenv(name, raising=False)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
        keys = boto3.Session().get_credentials().get_frozen_credentials()
    assert done.stdout.split() == [keys.access_key, keys.secret_key, ":7070", "posix", str(tmp_path / "data")]
    assert {bucket.name for bucket in (tmp_path / "data").iterdir()} == {"mlflow", "sweeps"}

    empty = tmp_path / "empty"
    empty.touch()
    refused = run("s3.sh", PATH=path, S3_CREDENTIALS_FILE=empty, S3_FOLDER=tmp_path / "data")
    assert refused.returncode == 2 and "holds no aws_access_key_id" in refused.stderr


def test_health_of_a_one_command_container_and_of_an_unknown_role():
    assert run("health.sh").returncode == 0
    assert run("health.sh", "haed").returncode == 2
