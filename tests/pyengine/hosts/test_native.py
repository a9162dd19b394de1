"""The native host on an adapter: ranges of a buffer, shared devices, and what compilers say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pyengine.errors import DeviceError, PlanError
from pyengine.hosts.native import NativeDevice, NativeHost
from pyengine.hosts.null import NullHost
from pyengine.plan import Plan
from tests.pyengine.ranges import BUFFER, SCHEDULE, START, ranges_plan, result_of

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def device(adapter: Any) -> Any:
    """One device for all tests here."""
    device = NativeDevice(adapter, timed=True)
    yield device
    device.close()


def ran(plan: Plan, device: NativeDevice) -> tuple[list[int], list[int]]:
    """Build, upload, run, read back, free."""
    host = NativeHost(1, 1, shared=device)
    try:
        host.build(plan)
        host.write(BUFFER, START)
        host.run(SCHEDULE)
        return result_of(bytes(host.read(BUFFER)))
    finally:
        host.close()


def test_two_disjoint_ranges_of_one_buffer_are_written(device: NativeDevice) -> None:
    """In one dispatch; and the dispatch after sees what the one before wrote."""
    NullHost().build(ranges_plan())
    assert ran(ranges_plan(), device) == ([11], [1])


def test_a_buffer_is_not_read_and_written_at_once(device: NativeDevice) -> None:
    """Whatever the ranges: WebGPU counts the use of a whole buffer. The null host knows."""
    with pytest.raises(PlanError, match=r"'arena' is bound read and read_write"):
        NullHost().build(ranges_plan("read"))
    with pytest.raises(DeviceError, match=r"(?s)^schedule 'work': .*conflicting usages"):
        ran(ranges_plan("read"), device)


def test_hosts_share_a_device(device: NativeDevice) -> None:
    """One that closes frees what it made, and the others go on; equal pipelines are made once."""
    before = NativeHost(1, 1, shared=device)
    before.build(ranges_plan())
    pipelines = dict(device._pipelines)
    assert ran(ranges_plan(), device) == ([11], [1])
    assert device._pipelines == pipelines
    before.write(BUFFER, START)
    before.run(SCHEDULE)
    assert result_of(bytes(before.read(BUFFER))) == ([11], [1])
    before.close()


def test_a_shader_that_does_not_compile_is_named(device: NativeDevice) -> None:
    """With the compiler's words, and without wgpu's wrapping; the device stays of use."""
    plan = ranges_plan()
    bad = {**plan.shaders, "add_10": plan.shaders["add_10"].replace("a[id.x]", "q[id.x]")}
    message = r"^shader 'add_10' does not compile: Shader 'add_10' parsing error: no definition"
    with pytest.raises(DeviceError, match=message):
        ran(replace(plan, shaders=bad), device)
    assert ran(plan, device) == ([11], [1])


def test_timings_of_a_shared_device(device: NativeDevice) -> None:
    """A pass has a time where the adapter can."""
    host = NativeHost(1, 1, timed=True, shared=device)
    host.build(ranges_plan())
    host.run(SCHEDULE)
    times = host.timings_ms()
    assert list(times) == (["add"] if host.timed else [])
    assert all(0 <= ms < 1000 for ms in times.values())
    host.close()
