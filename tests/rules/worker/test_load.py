"""The machine's load from /proc."""

from __future__ import annotations

from pathlib import Path

from taskgate.worker.load import LoadMeter


def write(proc: Path, ticks: str, available: int) -> None:
    (proc / "stat").write_text(f"cpu  {ticks}\ncpu0 1 2 3\n")
    (proc / "meminfo").write_text(f"MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: {available} kB\n")


def test_processor_time_between_readings_and_memory_now(tmp_path: Path) -> None:
    write(tmp_path, "100 0 100 800 0 0 0 0", 750)
    meter = LoadMeter(str(tmp_path))
    write(tmp_path, "150 0 125 825 0 0 0 0", 600)
    load = meter.read(running=2, waiting=3)
    assert (load.cpu, load.memory, load.running, load.waiting) == (0.75, 0.4, 2, 3)
    assert meter.read(running=0, waiting=0).cpu == 0.0


def test_without_proc_there_is_no_load(tmp_path: Path) -> None:
    load = LoadMeter(str(tmp_path)).read(running=0, waiting=0)
    assert (load.cpu, load.memory) == (0.0, 0.0)
