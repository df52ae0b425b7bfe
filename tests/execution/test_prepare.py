"""Preparation of a sweep from its spec, and the sentences about what is wrong."""

import json
import re
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from rich.console import Console

from models import list_variants
from models.encoders import ImageEncoder
from orchestrator.core.errors import InputError
from orchestrator.core.spec import build_spec, load_spec
from orchestrator.core.sweep_folder import Workspace
from orchestrator.execution import extreme_models
from orchestrator.execution.prepare import prepare
from orchestrator.execution.sweep_context import make_context
from orchestrator.search.space import FINETUNE, load_space
from orchestrator.sweeps.dry_run import dry_run
from orchestrator.sweeps.fingerprint import add_splits, check_unchanged, save_fingerprint
from orchestrator.training import FitSettings
from tests.execution.contexts import MadeFeatures


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    rows = []
    for number in range(60):
        Image.fromarray(np.full((8, 8, 3), number, np.uint8)).save(tmp_path / f"{number:02d}.png")
        scores = {"quality": number / 10, "alignment": 6 - number / 10, "authenticity": (number * 7) % 11}
        rows.append({"image": f"{number:02d}.png", "prompt": f"thing {number // 2}", **scores})
    pd.DataFrame(rows).to_csv(tmp_path / "ratings.csv", index=False)
    return tmp_path / "ratings.csv"


@pytest.fixture
def spec(csv):
    return lambda **given: build_spec({"dataset": f"csv:{csv}", "trials": 4, "epochs": 2, "splits": 2, **given})


@pytest.fixture
def criteria(tmp_path):
    """Write criteria for the images of each of the 30 prompts."""
    lines = [json.dumps({"prompt": f"Thing  {n}", "criteria": f"one thing, number {n % 7}"}) for n in range(30)]
    (tmp_path / "criteria.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path / "criteria.jsonl"


@pytest.mark.parametrize("variant", list_variants())
def test_every_variant_passes_a_dry_run_at_both_ends_of_its_space(spec, criteria, variant):
    prepared = prepare(spec(variant=variant, **({"criteria": criteria} if variant == "criteria_hyper" else {})))
    small, large = dry_run(prepared).corners
    assert 0 < small.parameters < large.parameters and small.epoch_seconds > 0
    assert set(prepared.splits) == {0, 1, 2}
    assert (prepared.control_space is None) == (variant in {"plain_head", "imagereward_head"})


def test_criteria_are_features_and_part_of_the_identity(spec, criteria):
    given = prepare(spec(variant="criteria_hyper", criteria=criteria))
    assert "criteria.embedding" in given.reads and given.dataset.criteria[0] == "one thing, number 0"
    assert given.identity()["data"] != prepare(spec()).identity()["data"]
    with pytest.raises(InputError, match="give --criteria FILE"):
        prepare(spec(variant="criteria_hyper"))


def test_default_targets_are_those_of_the_variant(spec):
    assert prepare(spec(variant="text_hyper")).targets == ("alignment",)
    assert prepare(spec(variant="image_hyper")).targets == ("quality", "authenticity")
    assert prepare(spec(variant="image_hyper", targets=("alignment",))).targets == ("alignment",)


def test_plain_head_is_the_control_that_its_space_names(spec, tmp_path):
    assert prepare(spec(variant="plain_head")).control_of == "text_hyper"
    own = load_space("plain_head").model_dump(mode="json")
    del own["model"]["of"]
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(own), encoding="utf-8")
    without = spec(variant="plain_head", space=tmp_path / "own.yaml", targets=("alignment",))
    assert prepare(without).control_of == "text_hyper"


def test_one_split_is_made_without_confirm(spec):
    assert set(prepare(spec(confirm=0)).splits) == {0}


def test_enqueued_configurations_are_completed_with_defaults(spec, tmp_path):
    (tmp_path / "first.yaml").write_text("- {lr: 0.002}\n- {}\n", encoding="utf-8")
    prepared = prepare(spec(enqueue=tmp_path / "first.yaml"))
    default = prepared.space.default_params()
    assert prepared.enqueued == ({**default, "lr": 0.002}, default)


def test_encoder_replaces_the_default_of_its_kind(spec):
    prepared = prepare(spec(encoders=("efficientnet_lite0@256",)))
    assert prepared.encoders == {
        "image": "efficientnet_lite0@256",
        "prompt": "minilm",
        "criteria": "minilm",
        "image_prompt": "conse",
    }


@pytest.fixture
def no_weights(tmp_path, monkeypatch):
    """A machine without weights and without a network."""
    monkeypatch.setenv("HYPERASSESS_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))


@pytest.mark.parametrize(
    ("variant", "encoder", "place"),
    [
        ("image_hyper", "resnet50", "weights/resnet50-"),
        ("image_hyper", "timm:resnet18@256", "weights/timm/resnet18.safetensors"),
        ("text_hyper", "keyphrase_mpnet", "weights/keyphrase_mpnet"),
        ("text_hyper", "blip", "weights/blip"),
    ],
)
def test_missing_weights_are_reported_before_anything_runs(spec, no_weights, variant, encoder, place):
    with pytest.raises(InputError, match=f"weights of {encoder} are not on this machine .*download .*{place}"):
        prepare(spec(variant=variant, encoders=(encoder,)))


def test_unread_weights_may_be_missing(spec, no_weights):
    assert prepare(spec(variant="image_hyper", encoders=("blip",))).encoders["image_prompt"] == "blip"


def test_incompatible_encoders_are_reported_before_anything_runs(spec, no_weights, tmp_path):
    encoders = ("timm:swin_tiny_patch4_window7_224",)
    (tmp_path / "weights" / "timm").mkdir(parents=True)
    (tmp_path / "weights" / "timm" / "swin_tiny_patch4_window7_224.pth").touch()
    with pytest.raises(InputError, match="conse needs an image encoder that returns ImageNet class probabilities"):
        prepare(spec(variant="text_hyper", encoders=encoders))


def test_saved_sweep_is_prepared_with_the_same_identity(spec, tmp_path):
    workspace = Workspace(tmp_path / "sweeps" / "mine")
    prepared = prepare(spec())
    save_fingerprint(prepared, workspace)
    again = prepare(load_spec(workspace.spec), space=load_space(workspace.space))
    check_unchanged(again, workspace)
    assert again.space == prepared.space
    saved = json.loads(workspace.split(1).read_text(encoding="utf-8"))
    assert saved["test"] == [prepared.dataset.names[row] for row in prepared.splits[1].test]


def test_splits_are_added_to_a_saved_sweep_that_stays_unchanged(spec, tmp_path):
    workspace = Workspace(tmp_path / "sweeps" / "mine")
    save_fingerprint(prepare(spec()), workspace)
    more = prepare(spec(splits=4))
    check_unchanged(more, workspace)
    add_splits(more, workspace)
    assert json.loads(workspace.identity.read_text(encoding="utf-8"))["splits"] == more.identity()["splits"]
    assert len(list(workspace.splits.iterdir())) == 5
    check_unchanged(prepare(spec()), workspace)  # a kill before the spec was replaced


def test_changed_part_of_the_identity_is_named(spec, csv, tmp_path):
    workspace = Workspace(tmp_path / "sweeps" / "mine")
    one = spec()
    save_fingerprint(prepare(one), workspace)
    csv.write_text(csv.read_text(encoding="utf-8").replace("thing 3", "thing three"), encoding="utf-8")
    with pytest.raises(InputError, match=r"mine cannot be resumed: data and splits changed .*--allow-changed"):
        check_unchanged(prepare(one), workspace)


def test_user_s_space_is_completed_with_shipped_defaults(spec, tmp_path):
    """Use the shipped space's defaults, not the builder's, which follow the paper."""
    path = tmp_path / "own.yaml"
    path.write_text("training: {lr: {type: float, low: 0.001, high: 0.01, default: 0.002}}", encoding="utf-8")
    space, shipped = prepare(spec(space=path)).space, load_space("text_hyper")
    expected = shipped.configuration(shipped.default_params())
    assert space.parameter_names() == {"lr"}
    assert space.configuration({"lr": 0.004}).model == expected.model
    assert space.configuration({"lr": 0.004}).training == {**expected.training, "lr": 0.004}
    assert set(space.hypernet) == set(shipped.hypernet)


@pytest.fixture
def changed_space(tmp_path):
    """A shipped space with other values in its training section."""

    def change(variant: str, **training):
        space = load_space(variant).model_dump(mode="json")
        space["training"].update(training)
        (tmp_path / "mine.yaml").write_text(yaml.safe_dump(space), encoding="utf-8")
        return tmp_path / "mine.yaml"

    return change


CHOICES = {"type": "categorical", "choices": ["huber", "huber+0.5*fidelity"], "default": "huber"}


@pytest.mark.parametrize("loss", ["fidelity", CHOICES])
def test_loss_that_needs_deviations_is_refused_without_them(spec, csv, changed_space, loss):
    searched = spec(space=changed_space("text_hyper", loss=loss))
    with pytest.raises(InputError, match=r"mine\.yaml: training: The loss fidelity .*csv:ratings\.csv.*alignment_std"):
        prepare(searched)
    table = pd.read_csv(csv)
    table.assign(alignment_std=[-1.0, "n/a", *[0.5] * 58]).to_csv(csv, index=False)
    with pytest.raises(InputError, match=r"2 of 60 rows whose alignment_std is not a number of 0 or above"):
        prepare(searched)
    table.assign(alignment_std=0.5).to_csv(csv, index=False)
    prepared = prepare(searched)
    assert dry_run(prepared).corners
    context = make_context(
        prepared.dataset, MadeFeatures({}, {}), (), {}, ("alignment",), prepared.splits, csv.parent, 1, "cpu"
    )
    assert context.stds.shape == (60, 1) and set(context.stds[:, 0]) == {0.5}


@pytest.mark.parametrize("weights", [[1.0, 0.5], {"authenticity": 0.5}])
def test_target_weights_are_read_from_the_space(spec, changed_space, tmp_path, weights):
    prepared = prepare(spec(variant="image_hyper", space=changed_space("image_hyper", target_weights=weights)))
    for space in (prepared.space, prepared.control_space):
        training = space.configuration(space.default_params()).training
        assert FitSettings.from_dict(training).weights_of(prepared.targets) == (1.0, 0.5)
    assert dry_run(prepared).corners
    workspace = Workspace(tmp_path / "sweeps" / "mine")
    save_fingerprint(prepared, workspace)
    assert load_space(workspace.space) == prepared.space


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0, 0.5, 2.0], "has 3 numbers, the targets are quality, authenticity"),
        ({"qualty": 2.0}, "did you mean quality"),
        ([1, -1], "numbers above 0"),
        ({"low": 0.1, "high": 2.0}, "type"),
    ],
)
def test_weights_for_other_targets_are_refused(spec, changed_space, weights, message):
    with pytest.raises(InputError, match=rf"mine\.yaml: training.*{message}"):
        prepare(spec(variant="image_hyper", space=changed_space("image_hyper", target_weights=weights)))


def test_wrong_key_is_named_with_file_section_and_near_matches(spec, tmp_path):
    space = load_space("text_hyper").model_dump(mode="json")
    space["hypernet"]["condition_widht"] = 8
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(space), encoding="utf-8")
    with pytest.raises(InputError, match=r"mine\.yaml: hypernet\.condition_widht: .*condition_width") as caught:
        prepare(spec(space=tmp_path / "mine.yaml"))
    assert "\n" not in str(caught.value)


ALL_CATEGORICAL = """
training:
  lr: {type: categorical, choices: [1e-4, 2e-4, 3e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2], default: 1e-3}
  batch_size: {type: categorical, choices: [8, 16, 24, 32, 40, 48, 56, 64], default: 16}
  weight_decay: {type: categorical, choices: [0.0, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 0.2], default: 0.0}
  loss: {type: categorical, choices: [huber, mse, l1], default: huber}
model:
  dropout: {type: categorical, choices: [0.0, 0.1, 0.2, 0.3, 0.4, 0.5], default: 0.0}
  input_dropout: {type: categorical, choices: [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7], default: 0.0}
hypernet:
  rank: {type: categorical, choices: [1, 2, 3, 4, 5, 6, 7, 8], default: 1}
  condition_width: {type: categorical, choices: [4, 8, 16, 24, 32, 48, 64], default: 16}
  condition_dropout: {type: categorical, choices: [0.0, 0.1, 0.2, 0.3, 0.4, 0.5], default: 0.0}
"""


class TestSpaces:
    @pytest.fixture
    def own(self, spec, tmp_path):
        """Return a spec with a search space of these lines."""

        def write(text, **given):
            (tmp_path / "own.yaml").write_text(text, encoding="utf-8")
            return spec(space=tmp_path / "own.yaml", **given)

        return write

    def test_millions_of_combinations_are_not_walked(self, own, monkeypatch):
        built = []
        count = extreme_models.count_parameters
        monkeypatch.setattr(extreme_models, "count_parameters", lambda *given: built.append(1) or count(*given))
        small, large = dry_run(prepare(own(ALL_CATEGORICAL))).corners
        assert small.configuration["rank"] == 1 and small.configuration["condition_width"] == 4
        assert large.configuration["rank"] == 8 and large.configuration["condition_width"] == 64
        assert small.parameters < large.parameters and len(built) < 200

    @pytest.mark.parametrize(
        "old, new, named",
        [
            (
                "choices: [huber, ",
                "choices: [huber, hubr, ",
                "hubr",
            ),
            ("choices: [8, 16,", "choices: [8.5, 16,", "training: batch_size must be a whole number, not 8.5"),
            ("choices: [4, 8,", "choices: [x, 8,", "hypernet.condition_width of 'x': this makes a model that cannot"),
            ("0.4, 0.5], default: 0.0}\n  input", "0.4, 1.5], default: 0.0}\n  input", "model.dropout of 1.5"),
        ],
    )
    def test_every_choice_is_checked_before_anything_is_trained(self, own, old, new, named):
        assert old in ALL_CATEGORICAL
        with pytest.raises(InputError, match=rf"own\.yaml: .*{re.escape(named)}") as caught:
            prepare(own(ALL_CATEGORICAL.replace(old, new)))
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        "text, named",
        [
            ("hypernet: {rank: {type: int, low: -3, high: 8, default: 2}}", "hypernet.rank of -3"),
            ("model: {activation: {type: categorical, choices: [gelu, swsh], default: gelu}}", "model.activation"),
            ("model: {activation: swsh}\ntraining: {ema: {type: float, low: 0, high: 0.5, default: 0}}", "model, with"),
            ("training: {lr: {type: float, low: 0, high: 1, default: 0.5}}", "training: lr must be above 0"),
            (
                "training: {ema: {type: float, low: 0, high: 1, default: 0.5}}",
                "ema must be from 0 to below 1",
            ),
            ("training: {lr: {type: categorical, choices: [on, 0.1], default: 0.1}}", "lr must be a number, not True"),
            (
                "training: {batch_size: {type: float, low: 8, high: 16, default: 8}}",
                "batch_size must be a whole number",
            ),
            ("training: {prompt_grouped: {type: categorical, choices: [y, n], default: y}}", "must be true or false"),
        ],
    )
    def test_values_out_of_range_are_refused(self, own, text, named):
        with pytest.raises(InputError, match=rf"own\.yaml: .*{re.escape(named)}"):
            prepare(own(text))

    def test_a_model_larger_than_the_memory_is_refused_by_the_dry_run(self, own):
        widths = "{type: widths, min_depth: 1, max_depth: 3, low: 8, high: 1000000, default: [8]}"
        with pytest.raises(InputError, match=r"own\.yaml: the largest model: its [0-9,]+ parameters need .* GB"):
            dry_run(prepare(own(f"model: {{widths: {widths}}}")))

    def test_a_width_of_one_works(self, own):
        widths = "{type: widths, min_depth: 1, max_depth: 1, low: 1, high: 1, default: [1]}"
        report = dry_run(prepare(own(f"model: {{widths: {widths}}}")))
        assert report.corners[0].configuration["widths"] == [1] and not report.corners[0].diverges
        assert report.few == tuple(
            f"The space of the {study} has 1 configuration: it ends after 1 trial." for study in ("search", "control")
        )

    def test_the_dry_run_names_the_model_that_diverges(self, own):
        report = dry_run(prepare(own("training: {lr: {type: float, low: 1e-3, high: 1e+30, default: 1.0, log: true}}")))
        assert [corner.diverges for corner in report.corners] == [False, True]
        console = Console(file=StringIO(), width=200)
        report.show(console)
        assert "The largest model diverges within two epochs" in console.file.getvalue()
        assert "with lr 1e+30" in console.file.getvalue() and "smallest model diverges" not in console.file.getvalue()

    @pytest.mark.parametrize(
        "text",
        [
            "hypernet: {rank: {type: int, low: 1, high: 4, default: 2}}",
            "hypernet: {rank: {type: int, low: 1, high: 2, default: 2}}\n"
            "training: {ema: {type: float, low: 0, high: 0.5, default: 0, when: {rank: [1]}},"
            " lr: {type: float, low: 0.1, high: 0.2, default: 0.1}}",
        ],
    )
    def test_the_control_does_without_what_depends_on_the_hypernet(self, own, text):
        prepared = prepare(own(text))
        assert "ema" not in prepared.control_space.parameters() and "rank" not in prepared.control_space.parameters()
        assert prepared.control_space.configuration(prepared.control_space.default_params())


class TestFinetuning:
    @pytest.fixture
    def tuned(self, spec):
        return lambda **given: spec(backbone="finetune", encoders=("efficientnet_lite0@64",), **given)

    @pytest.mark.parametrize("variant", ["image_hyper", "plain_head"])
    def test_finetuning_values_replace_those_of_the_variant_and_its_control(self, tuned, variant):
        prepared = prepare(tuned(variant=variant, targets=("alignment",)))
        overlay, own = load_space(FINETUNE), load_space(variant)
        for space in filter(None, (prepared.space, prepared.control_space)):
            assert space.backbone == overlay.backbone
            assert space.training == own.training | overlay.training or space is prepared.control_space
            assert set(overlay.training) <= set(space.training) and space.training["lr"] == own.training["lr"]
            assert set(space.configuration(space.default_params()).backbone) == set(overlay.backbone)
        frozen = prepare(spec_without(tuned, variant))
        assert frozen.space == own and "backbone" not in frozen.identity()["space"]
        assert prepared.identity()["space"] != frozen.identity()["space"]

    def test_dry_run_includes_the_backbone(self, tuned):
        small, large = dry_run(prepare(tuned(variant="image_hyper"))).corners
        assert 4_000_000 < small.parameters < large.parameters and small.epoch_seconds > 0
        assert small.configuration["frozen_parts"] == 0

    def test_user_s_space_is_not_changed(self, tuned, spec, tmp_path):
        own = load_space("image_hyper").model_dump(mode="json") | {"backbone": {"frozen_parts": 2}}
        (tmp_path / "own.yaml").write_text(yaml.safe_dump(own), encoding="utf-8")
        given = {"variant": "image_hyper", "space": tmp_path / "own.yaml"}
        prepared = prepare(tuned(**given))
        assert prepared.space == load_space(tmp_path / "own.yaml")
        save_fingerprint(prepared, Workspace(tmp_path / "sweeps" / "mine"))
        again = load_space(Workspace(tmp_path / "sweeps" / "mine").space)
        check_unchanged(prepare(tuned(**given), space=again), Workspace(tmp_path / "sweeps" / "mine"))
        assert prepare(spec(**given)).space.backbone == {}, "frozen, nothing of it is left"

    @pytest.mark.parametrize(
        ("backbone", "message"),
        [
            ({"frozen_part": 1}, r"backbone\.frozen_part: .*frozen_parts"),
            ({"frozen_parts": 12}, "backbone: frozen_parts is 12, but efficientnet_lite0@64 has 9 parts"),
            ({"test_crops": 0}, "backbone: test_crops is at least 1"),
        ],
    )
    def test_wrong_section_is_named(self, tuned, tmp_path, backbone, message):
        own = load_space("image_hyper").model_dump(mode="json") | {"backbone": backbone}
        (tmp_path / "own.yaml").write_text(yaml.safe_dump(own), encoding="utf-8")
        with pytest.raises(InputError, match=message) as caught:
            prepare(tuned(variant="image_hyper", space=tmp_path / "own.yaml"))
        assert "\n" not in str(caught.value)

    def test_encoder_without_a_network_is_refused(self, tuned, monkeypatch):
        class Frozen(ImageEncoder):
            name, identity, encode = "frozen", "frozen 1", None

        monkeypatch.setattr("models.encoders.build_encoder", lambda name: Frozen())
        monkeypatch.setattr(Frozen, "__abstractmethods__", frozenset())
        with pytest.raises(InputError, match=r"--backbone finetune: frozen has no network that could be fine-tuned"):
            prepare(tuned(variant="image_hyper"))

    def test_unknown_backbone_mode_is_refused(self, spec):
        with pytest.raises(InputError, match="--backbone: .*'frozen' or 'finetune'"):
            spec(backbone="thawed")


def spec_without(tuned, variant):
    return tuned(variant=variant, targets=("alignment",)).model_copy(update={"backbone": "frozen"})
