"""The compose file: the specification's own schema, and what must hold of every service."""

import json
import re
from importlib.resources import files

import jsonschema
import pytest
import yaml

from tests.docker.scripts import DOCKER, SCRIPTS

COMPOSE = yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))
SERVICES = COMPOSE["services"]
OURS = ("mlflow", "head", "worker", "worker-gpu")
LASTING = ("postgres", "s3", *OURS)


def default(text: object) -> str:
    """Return the text with the default of every variable."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", str(text))


def test_compose_file_matches_the_specification():
    schema = json.loads(
        (files("check_jsonschema") / "builtin_schemas/vendor/compose-spec.json").read_text(encoding="utf-8")
    )
    assert "Compose" in schema["title"]
    jsonschema.Draft202012Validator(schema).validate(COMPOSE)
    broken = {**COMPOSE, "services": {**SERVICES, "s3": {**SERVICES["s3"], "comand": []}}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate(broken)


def test_published_port_is_mlflows_on_loopback():
    assert {name for name, service in SERVICES.items() if "ports" in service} == {"mlflow"}
    assert [default(port) for port in SERVICES["mlflow"]["ports"]] == ["127.0.0.1:5000:5000"]
    assert default(SERVICES["mlflow"]["environment"]["PUBLISHED_AT"]) == "127.0.0.1"
    assert SERVICES["mlflow"]["environment"]["PUBLISHED_AT"] in SERVICES["mlflow"]["ports"][0]
    assert default(SERVICES["mlflow"]["environment"]["MLFLOW_AUTH"]) == "basic"
    assert not any("network_mode" in service or "privileged" in service for service in SERVICES.values())


@pytest.mark.parametrize("name", LASTING)
def test_each_service_is_watched_limited_and_restarted(name):
    service = SERVICES[name]
    assert service["healthcheck"]["test"][0] == "CMD"
    assert service["restart"] == "unless-stopped"
    assert service["mem_limit"]
    assert "no-new-privileges:true" in service["security_opt"]
    if name != "postgres":  # its image gives up root by itself
        assert service["cap_drop"] == ["ALL"]


def test_service_waits_until_its_dependency_is_healthy():
    for name, service in SERVICES.items():
        for other, how in service.get("depends_on", {}).items():
            assert how == {"condition": "service_healthy"}, name
            assert "healthcheck" in SERVICES[other]
    assert set(SERVICES["mlflow"]["depends_on"]) == {"postgres", "s3"}
    assert set(SERVICES["worker"]["depends_on"]) == {"head"}


def test_every_image_has_a_version():
    for name, service in SERVICES.items():
        tag = default(service["image"]).partition(":")[2]
        assert tag and tag != "latest", name
        if "build" not in service:
            assert re.search(r"\d+\.\d+", tag), name


def test_passwords_are_named_by_file_and_the_files_are_mounted():
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            assert not variable.endswith(("PASSWORD", "SECRET_KEY", "TOKEN")), (name, variable)
            if match := re.fullmatch(r"/run/secrets/(\w+)", str(value)):
                assert match[1] in service["secrets"], (name, variable)
            assert not re.search(r"//[^/@]*:[^/@]*@", str(value)), (name, variable)
    used = {secret for service in SERVICES.values() for secret in service.get("secrets", [])}
    assert used == set(COMPOSE["secrets"])
    made = (SCRIPTS / "make-secrets.sh").read_text(encoding="utf-8")
    for secret, source in COMPOSE["secrets"].items():
        assert default(source["file"]) == f"./secrets/{secret}" and secret in made


def test_trials_see_no_password_of_databases_or_mlflow():
    for name in ("worker", "worker-gpu"):
        assert set(SERVICES[name]["secrets"]) == {"ray_token", "s3_credentials"}


def test_rays_object_store_fits_into_shared_memory_and_that_into_the_limit():
    for name in ("head", "worker", "worker-gpu"):
        service = SERVICES[name]
        store, shm, limit = (
            _bytes(default(size))
            for size in (service["environment"]["OBJECT_STORE_MEMORY"], service["shm_size"], service["mem_limit"])
        )
        assert 0.8e9 < store <= shm < limit


def test_mounts_are_named_volumes_or_existing_files():
    for name, service in SERVICES.items():
        for mount in service.get("volumes", []):
            source = default(mount).split(":")[0]
            if source.startswith("./scripts"):
                assert (DOCKER / source).exists(), name
            elif not source.startswith("."):
                assert source in COMPOSE["volumes"], name
    commands = [part for service in SERVICES.values() for part in service.get("command", [])]
    commands += SERVICES["s3"]["entrypoint"][1:]
    assert all((SCRIPTS / command.rpartition("/")[2]).is_file() for command in commands)


def test_nodes_that_run_trials_mount_sweeps_and_features():
    for name in ("head", "worker", "worker-gpu"):
        assert {"sweeps:/home/hyperassess/sweeps", "cache:/cache"} <= set(SERVICES[name]["volumes"])


def test_gpu_workers_need_a_profile_and_plain_ones_do_not():
    assert SERVICES["worker-gpu"]["profiles"] == ["gpu"] and "profiles" not in SERVICES["worker"]
    (device,) = SERVICES["worker-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]
    assert SERVICES["worker-gpu"]["build"]["target"] == "cuda"
    assert not any("container_name" in service for service in SERVICES.values())  # else no --scale


def _bytes(size: str) -> int:
    number, unit = re.fullmatch(r"(\d+)(\w+)", size).groups()
    return int(number) * {"gb": 10**9, "mb": 2**20, "m": 2**20, "g": 2**30}[unit.lower()]
