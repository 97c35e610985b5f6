from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.drawn_photos import write
from support.tiny_pools import logged, made_here, planned, pooled_folder, pooled_values, pools_on_cpus
from support.tiny_remover import removing_values

from xray.cluster import executor, session
from xray.cluster.executor import Stage
from xray.cluster.placement import Grant
from xray.core.errors import ConfigError, ResourceError
from xray.pipeline.generate.estimate import Forecast, Need, forecast, measured, remember_rates
from xray.pipeline.generate.throughput import Rate, rate_of, rate_settings, remember, remembered
from xray.pipeline.generate.workers import InpaintStage, RefineStage
from xray.pipeline.generate.worklist import Worklist
from xray.runs.folder import RunFolder
from xray.runs.receipts import GENERATE, MASK, Receipt

GPU = Grant("cuda", gpus=0.8, cpus=1, min_actors=4, max_actors=8, accelerator=None, batch=1)
CPU = replace(GPU, device="cpu", gpus=0)
NODES = [{"CPU": 8.0}]
PROBE = "a probe just now"
INPAINTED = ("generated_background",)


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XRAY_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the cluster by one of eight CPUs, whose actors do their real work in this process."""

    def stream(items: Sequence[str], stages: Sequence[Stage], **options: Any) -> Iterator[list[Any]]:
        for item in items:
            yield [stage.work(*stage.arguments, on_batch=lambda images, seconds: None)(item) for stage in stages]

    monkeypatch.setattr(session, "connected", contextlib.nullcontext)
    monkeypatch.setattr(session, "nodes", lambda: NODES)
    monkeypatch.setattr(executor, "stream", stream)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six photographs in three photo batches; models that take some milliseconds."""
    folder = pooled_folder(tmp_path)
    (folder / "desk/late").write_text("20")
    return folder


def needs_of(run: RunFolder) -> dict[str, Need]:
    return {" ".join((need.stage, *need.scenarios)): need for need in forecast(run).needs}


def settings(run: RunFolder, pool: str, scenarios: Sequence[str] = INPAINTED) -> dict[str, Any]:
    return rate_settings(run.recipe, pool, scenarios)


def receipt(images: int, seconds: float, size: int, settings: object = "mine") -> Receipt:
    facts = {"device_images": images, "device_seconds": seconds, "settings": settings}
    return Receipt("01-00-00000", {"images": {"rows": 99, "bytes": size}}, {}, 99.0, facts)


def test_a_rate_is_the_device_time_per_image_made_with_the_same_settings() -> None:
    rendered = replace(receipt(0, 0, 9), facts={})
    receipts = [receipt(6, 3.0, 6000), receipt(2, 1.0, 1000), receipt(50, 1.0, 9, "others"), rendered]
    rate = rate_of(receipts, "images", "mine")  # type: ignore[arg-type]
    assert rate == Rate(8, 4.0, 7000, "this run")
    assert (rate.seconds_per_image, rate.bytes_per_image) == (0.5, 875)
    assert rate_of(receipts, "images", "unknown") is None  # type: ignore[arg-type]
    assert rate_of([receipt(0, 0.0, 500)], "images", "mine") is None  # type: ignore[arg-type]
    assert rate_of([], "masks", {}) is None


def test_gpu_hours_count_all_occupied_gpus_until_the_slowest_pool_is_done() -> None:
    refine = Need("refine", (), 1000, Rate(10, 2.0, 300, "somewhere"), replace(GPU, gpus=0.2, min_actors=1))
    one = Need("paint", ("one",), 10_000, Rate(10, 36.0, 5000, "somewhere"), GPU)
    other = Need("paint", ("other",), 2000, Rate(10, 18.0, 5000, "somewhere"), GPU)
    render = Need("render", (), 1000, Rate(1, 9.0, 100, "somewhere"), None)
    assert (one.seconds, one.bytes) == (pytest.approx(36_000), 5_000_000)
    expected = Forecast((refine, one, other, render), gpus=4.0)
    assert expected.gpu_hours == pytest.approx(4 * (36_000 + 3600) / 4 / 3600)
    assert expected.bytes == pytest.approx(30_000 + 5_000_000 + 1_000_000 + 100_000)
    slow = replace(refine, rate=Rate(1, 36.0, 300, "somewhere"))
    assert Forecast((slow, one), gpus=4.0).gpu_hours == pytest.approx(4 * 10)
    assert Forecast((replace(one, pool=CPU), render), gpus=0.0).gpu_hours == 0
    assert Forecast((), gpus=0.0).gpu_hours == 0


def test_rates_are_cached_by_settings_and_kind_of_gpu(tmp_path: Path) -> None:
    settings, rate = {"model": "sam", "batch": 1}, Rate(3, 1.5, 700, "this run")
    a100, h100 = ({"GPU": 8.0, f"accelerator_type:{kind}": 1.0} for kind in ("A100", "H100"))
    assert remembered(settings, [a100]) is None
    remember(settings, [a100], rate)
    assert remembered({"batch": 1, "model": "sam"}, [a100, a100]) == replace(rate, measured="an earlier run")
    assert remembered({**settings, "batch": 2}, [a100]) is None
    assert remembered(settings, [h100]) is None
    (path,) = (tmp_path / "cache/rates").iterdir()
    remember(settings, [a100], replace(rate, seconds=9.0))
    assert remembered(settings, [a100]) == Rate(3, 9.0, 700, "an earlier run")
    path.write_text("{cut")
    assert remembered(settings, [a100]) is None


def test_an_unwritable_cache_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "file", b"")
    monkeypatch.setenv("XRAY_CACHE", str(tmp_path / "file/cache"))
    remember({"model": "sam"}, NODES, Rate(3, 1.5, 700, "this run"))
    assert remembered({"model": "sam"}, NODES) is None


@pytest.mark.usefixtures("cpus")
def test_before_the_first_run_a_probe_measures_and_commits_nothing(folder: Path) -> None:
    run = planned(folder, pooled_values(folder))
    needs = needs_of(run)
    assert {name: (need.images, need.rate.measured) for name, need in needs.items()} == {
        "refine": (6, PROBE),
        "paint generated_background": (12, PROBE),
        "render": (6, PROBE),
    }
    assert needs["refine"].rate.images == 2  # a photo batch has no more
    assert needs["paint generated_background"].rate.images == 3
    assert len(logged(folder, "paint")) == 6  # twice: the first time pays for compilation
    for need in needs.values():
        assert need.seconds > 0
        assert need.bytes > 0
    assert forecast(run).gpus == forecast(run).gpu_hours == 0
    assert not run.store.done(GENERATE)
    assert not run.store.done(MASK)
    assert not (folder / "run/images").exists()


@pytest.mark.usefixtures("cpus")
def test_a_remover_with_weights_is_measured_in_its_pool_and_remembered(folder: Path) -> None:
    write(folder / "weight.txt", b"5")
    desk = str(folder / "desk")
    remover = {"kind": "support.tiny_remover:Mean", "model": str(folder / "weight.txt"), "desk": desk}
    values = removing_values(folder, remover=remover, pools={"remove": {"device": "cpu"}})
    run = planned(folder, values)
    needs = needs_of(run)
    assert {name: (need.images, need.rate.measured) for name, need in needs.items()} == {
        "remove": (6, PROBE),
        "render": (18, PROBE),
    }
    assert needs["remove"].pool is not None
    assert not run.store.stages()
    made_here(run)
    remember_rates(run, NODES)
    again = needs_of(planned(folder, {**values, "seed": 1}, "other"))
    assert again["remove"].rate == replace(needs["remove"].rate, **rate_values(run), measured="an earlier run")


def rate_values(run: RunFolder) -> dict[str, Any]:
    """Images, seconds and bytes of a run's own removals."""
    rate = measured(run, "remove", settings(run, "remove", ()))
    assert rate is not None
    return {"images": rate.images, "seconds": rate.seconds, "bytes": rate.bytes}


@pytest.mark.usefixtures("cpus")
def test_probes_skip_unusable_photographs(folder: Path) -> None:
    write(folder / "photos/ball/0.jpg", b"broken")
    run = planned(folder, pooled_values(folder))
    assert needs_of(run)["refine"].rate.images == 1
    assert needs_of(run)["paint generated_background"].rate.images == 2
    write(folder / "photos/ball/1.jpg", b"broken, too")
    with pytest.raises(ConfigError):
        forecast(planned(folder, pooled_values(folder), "other"))


@pytest.mark.usefixtures("cpus")
def test_scenarios_planned_at_different_times_are_measured_separately(folder: Path) -> None:
    values = pooled_values(folder)
    planned(folder, {**values, "scenarios": values["scenarios"][1:]})
    more = {**values["scenarios"][1], "name": "more", "variants": 1}
    run = planned(folder, {**values, "scenarios": [values["scenarios"][1], more]})
    needs = needs_of(run)
    images = {name: need.images for name, need in needs.items()}
    assert images == {"refine": 6, "paint generated_background": 12, "paint more": 6}


@pytest.mark.usefixtures("cpus")
def test_rates_of_the_run_itself_come_before_those_of_earlier_runs(folder: Path) -> None:
    run = planned(folder, pooled_values(folder))
    batch = Worklist.of(run).units[0]
    RefineStage(run.uri, "cpu", 1, lambda images, seconds: None)(batch)
    remember(settings(run, "refine", ()), NODES, Rate(1, 1000.0, 1, "this run"))
    remember(settings(run, "paint"), NODES, Rate(1, 1000.0, 1, "this run"))
    needs = needs_of(run)
    assert [need.images for need in needs.values()] == [4, 12, 6]
    (made,) = run.store.receipts(MASK)
    assert needs["refine"].rate == Rate(2, made.facts["device_seconds"], made.files["masks"]["bytes"], "this run")
    assert needs["paint generated_background"].rate == Rate(1, 1000.0, 1, "an earlier run")
    InpaintStage(run.uri, "cpu", 1, lambda images, seconds: None)(batch)
    painting = needs_of(run)["paint generated_background"]
    assert painting.images == 8
    assert painting.rate.seconds == run.store.receipts(GENERATE)[0].facts["device_seconds"]
    assert logged(folder, "paint")[4:] == []  # no probe


@pytest.mark.usefixtures("cpus")
def test_rates_of_earlier_runs_with_the_same_settings_are_used(folder: Path) -> None:
    run = planned(folder, pooled_values(folder))
    made_here(run)
    remember_rates(run, NODES)
    assert forecast(run).needs == ()
    before = logged(folder, "paint")
    needs = needs_of(planned(folder, pooled_values(folder, seed=1), "other"))
    for pool, name, scenarios in (("refine", "refine", ()), ("paint", "paint generated_background", INPAINTED)):
        rate = measured(run, pool, settings(run, pool, scenarios))
        assert rate is not None
        assert needs[name].rate == replace(rate, measured="an earlier run")
    assert logged(folder, "paint") == before  # no probe
    more = needs_of(planned(folder, pooled_values(folder, filter={"min_contrast": 1}), "more"))
    assert [need.rate.measured for need in more.values()] == ["an earlier run", PROBE, PROBE]


def test_a_rate_depends_on_the_settings_of_its_own_pool(folder: Path) -> None:
    one = planned(folder, pooled_values(folder))
    other = planned(folder, pooled_values(folder, pools=pools_on_cpus(batch=4)), "other")
    assert settings(one, "refine", ()) == settings(other, "refine", ())
    assert settings(one, "paint") != settings(other, "paint")


@pytest.mark.usefixtures("cpus")
def test_a_forecast_without_gpus_is_refused(folder: Path) -> None:
    run = planned(folder, pooled_values(folder, pools={}))
    with pytest.raises(ResourceError, match=r"refine.*8 CPUs and 0 GPUs"):
        forecast(run)


def test_a_forecast_asks_an_autoscaling_cluster_for_gpus(ray_session: None, folder: Path) -> None:
    """This one has four, and does not scale."""
    run = planned(folder, pooled_values(folder, pools={"gpus": 5, "stall_seconds": 1}))
    with pytest.raises(ResourceError, match=r"4 GPUs after 1 s.*pools\.gpus.* 5"):
        forecast(run)
