"""KubeRay's manifests, against Kubernetes' schemas and against the fields of KubeRay's API (v1.5.1)."""

import json
from importlib.resources import files

import jsonschema
import pytest
import yaml
from referencing import Registry, Resource

from tests.docker.scripts import DOCKER, SCRIPTS

VERSION = "v1.36.0-local-strict"
FOLDER = DOCKER / "kuberay"
MANIFESTS = {
    (one["kind"], one["metadata"]["name"]): one
    for file in sorted(FOLDER.glob("*.yaml"))
    for one in yaml.safe_load_all(file.read_text(encoding="utf-8"))
}
CLUSTER = MANIFESTS["RayCluster", "hyperassess"]["spec"]
JOB = MANIFESTS["RayJob", "text-hyper-1"]["spec"]
GROUPS = {group["groupName"]: group for group in CLUSTER["workerGroupSpecs"]}
TEMPLATES = {
    "head": CLUSTER["headGroupSpec"]["template"],
    **{name: group["template"] for name, group in GROUPS.items()},
    "submitter": JOB["submitterPodTemplate"],
    "mlflow": MANIFESTS["Deployment", "mlflow"]["spec"]["template"],
}

# ray-operator/apis/ray/v1/{raycluster,rayjob}_types.go
FIELDS = {
    "cluster": {"rayVersion", "authOptions", "headGroupSpec", "workerGroupSpecs"},
    "head": {"template", "rayStartParams", "serviceType"},
    "worker": {"groupName", "replicas", "minReplicas", "maxReplicas", "rayStartParams", "template"},
    "job": {"entrypoint", "clusterSelector", "submissionMode", "backoffLimit", "submitterPodTemplate"},
}


def validate(name: str, content: object) -> None:
    """Validate an object with Kubernetes' schema of that name, which refuses unknown fields."""
    folder = files("kubernetes_validate") / "kubernetes-json-schema" / VERSION
    schemas = Resource.from_contents(json.loads((folder / "_definitions.json").read_text(encoding="utf-8")))
    registry: Registry[object] = Registry().with_resource("/api/_definitions.json", schemas)
    reference = {"$ref": f"/api/_definitions.json#/$defs/{name}"}
    jsonschema.Draft202012Validator(reference, registry=registry).validate(content)


@pytest.mark.parametrize("name", TEMPLATES)
def test_pods_match_the_schemas_of_kubernetes(name):
    validate("io.k8s.api.core.v1.PodTemplateSpec", TEMPLATES[name])
    broken = json.loads(json.dumps(TEMPLATES[name]))
    broken["spec"]["containers"][0]["imagee"] = "a"
    with pytest.raises(jsonschema.ValidationError):
        validate("io.k8s.api.core.v1.PodTemplateSpec", broken)


@pytest.mark.parametrize(
    ("kind", "name", "schema"),
    [
        ("ConfigMap", "hyperassess", "core.v1.ConfigMap"),
        ("PersistentVolumeClaim", "hyperassess-sweeps", "core.v1.PersistentVolumeClaim"),
        ("PersistentVolumeClaim", "hyperassess-cache", "core.v1.PersistentVolumeClaim"),
        ("PersistentVolumeClaim", "hyperassess-data", "core.v1.PersistentVolumeClaim"),
        ("Deployment", "mlflow", "apps.v1.Deployment"),
        ("Service", "mlflow", "core.v1.Service"),
    ],
)
def test_other_objects_match_the_schemas_of_kubernetes(kind, name, schema):
    validate(f"io.k8s.api.{schema}", MANIFESTS[kind, name])


def test_every_field_is_in_kuberays_api():
    assert set(CLUSTER) == FIELDS["cluster"]
    assert set(CLUSTER["headGroupSpec"]) == FIELDS["head"]
    assert all(set(group) == FIELDS["worker"] for group in GROUPS.values())
    assert set(JOB) == FIELDS["job"]
    assert JOB["submissionMode"] in {"K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode"}
    for parameters in (CLUSTER["headGroupSpec"]["rayStartParams"], *(one["rayStartParams"] for one in GROUPS.values())):
        assert all(isinstance(value, str) for value in parameters.values())


def test_cluster_requires_a_token_and_has_the_images_version():
    pinned = dict(
        line.split("==") for line in (DOCKER.parent / "constraints.txt").read_text(encoding="utf-8").splitlines()
    )
    assert CLUSTER["authOptions"] == {"mode": "token"}  # from Ray 2.52 on
    assert CLUSTER["rayVersion"] == pinned["ray"]


@pytest.mark.parametrize("name", TEMPLATES)
def test_pods_run_unprivileged_within_limits(name):
    spec = TEMPLATES[name]["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] and spec["securityContext"]["runAsUser"] == 1000
    (container,) = spec["containers"]
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    assert set(container["resources"]) == {"requests", "limits"}
    assert container["image"].partition(":")[2].startswith("local")


@pytest.mark.parametrize("name", ["head", "cpu", "gpu", "mlflow"])
def test_pods_have_probes(name):
    (container,) = TEMPLATES[name]["spec"]["containers"]
    roles = {"head": "head", "cpu": "worker", "gpu": "worker", "mlflow": "mlflow"}
    assert {"name": "HYPERASSESS_ROLE", "value": roles[name]} in container["env"]
    alive = ["health.sh"] if name == "mlflow" else ["health.sh", "raylet"]  # no host dies for a head that is away
    for probe, command in (("readinessProbe", ["health.sh"]), ("livenessProbe", alive)):
        assert container[probe]["exec"]["command"] == command
        assert container[probe]["timeoutSeconds"] >= 10  # Kubernetes' own is 1


@pytest.mark.parametrize("name", ["head", "cpu", "gpu", "mlflow"])
def test_secrets_are_references_of_the_containers_that_need_them(name):
    spec = TEMPLATES[name]["spec"]
    (container,) = spec["containers"]
    (secret,) = [volume["secret"] for volume in spec["volumes"] if "secret" in volume]
    keys = {item["key"] for item in secret["items"]}
    assert secret["secretName"] == "hyperassess-secrets"
    assert ("RayCluster", secret["secretName"]) not in MANIFESTS  # that name is the operator's, for the token
    made = (SCRIPTS / "make-secrets.sh").read_text(encoding="utf-8")
    assert all(key in made for key in keys)
    named = {one["value"].rpartition("/")[2] for one in container["env"] if one["name"].endswith("_FILE")}
    assert named | {"s3_credentials"} == keys
    assert not any(one["name"].endswith(("PASSWORD", "TOKEN", "SECRET_KEY")) for one in container["env"])
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert set(mounts) == {volume["name"] for volume in spec["volumes"]}
    settings = MANIFESTS["ConfigMap", "hyperassess"]["data"]
    assert settings["AWS_SHARED_CREDENTIALS_FILE"] == f"{mounts['secrets']}/s3_credentials"
    for claim in (volume["persistentVolumeClaim"] for volume in spec["volumes"] if "persistentVolumeClaim" in volume):
        assert ("PersistentVolumeClaim", claim["claimName"]) in MANIFESTS


def test_only_the_head_has_volumes_and_checkpoints_go_to_the_store():
    claims = {
        name: {one["name"] for one in TEMPLATES[name]["spec"]["volumes"] if "persistentVolumeClaim" in one}
        for name in ("head", "cpu", "gpu")
    }
    assert claims == {"head": {"sweeps", "cache", "data"}, "cpu": set(), "gpu": set()}
    assert MANIFESTS["ConfigMap", "hyperassess"]["data"]["HYPERASSESS_STORAGE_PATH"].startswith("s3://")


def test_gpu_nodes_start_on_demand():
    (container,) = GROUPS["gpu"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert container["image"].endswith("-cuda")
    assert GROUPS["gpu"]["replicas"] == 0 < GROUPS["gpu"]["maxReplicas"]


def test_job_runs_a_sweep_on_the_cluster_with_passwords():
    assert JOB["clusterSelector"] == {"ray.io/cluster": "hyperassess"}
    assert JOB["entrypoint"].startswith("run.sh python -m orchestrator.sweep ")
    mounts = {mount["mountPath"] for mount in TEMPLATES["head"]["spec"]["containers"][0]["volumeMounts"]}
    assert JOB["entrypoint"].split("--out ")[1] in mounts
