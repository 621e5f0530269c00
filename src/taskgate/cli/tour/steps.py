"""The steps of the tour, in order.

Each makes real calls and fails when an answer is not as it should be. No step may need what an earlier one left:
a step that fails is counted and the tour goes on.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from taskgate.cli.tour import service_steps
from taskgate.cli.tour.stage import Stage, StepFailed, expect
from taskgate.errors import InvalidInput, RunCancelled, RunFailed
from taskgate.ids import new_token

Step = tuple[str, Callable[[Stage], None]]


def plain_run(stage: Stage) -> None:
    """Submit and wait."""
    stage.call('call demo.greet {"name": "Ada"}')
    output = stage.client.call("demo.greet", {"name": "Ada"}, wait_s=30)
    stage.answer(output)
    expect(output == "Hello, Ada!", "the greeting is another one")


def real_file(stage: Stage) -> None:
    """A file's text in, its journal and keywords out."""
    path = _some_text()
    stage.call(f"submit text.keywords with {path.name} ({path.stat().st_size:,} bytes), follow its journal")
    run = stage.client.submit("text.keywords", {"text": path.read_text(encoding="utf-8"), "top": 6})
    for entry in run.follow():
        if entry.kind == "log":
            stage.answer(f"journal {entry.seq}: {entry.text}")
    words = run.output()
    stage.answer(words)
    expect(len(words) == 6, "six words were asked for")


def live_progress(stage: Stage) -> None:
    """Progress comes while the run runs."""
    stage.call('submit demo.count {"to": 8, "pause_s": 0.15}, follow it live')
    run = stage.client.submit("demo.count", {"to": 8, "pause_s": 0.15})
    seen = []
    for entry in run.follow():
        if entry.kind == "progress" and entry.fraction is not None:
            seen.append(entry.fraction)
            bar = "█" * round(entry.fraction * 20)
            stage.answer(f"{bar:<20} {entry.text}")
    expect(seen == sorted(seen) and len(seen) == 8, f"eight steps were expected, in order: {seen}")
    expect(run.output() == 8, "it counted to another number")


def cancelled(stage: Stage) -> None:
    """A cancel ends a run for good."""
    stage.call('submit demo.count {"to": 1000}, then cancel it')
    run = stage.client.submit("demo.count", {"to": 1000, "pause_s": 0.1})
    for entry in run.follow():
        if entry.kind == "progress":
            break
    run.cancel()
    try:
        run.output(timeout_s=10)
    except RunCancelled as error:
        stage.answer(str(error))
    expect(run.status == "cancelled", f"it is {run.status}")


def retried(stage: Stage) -> None:
    """What fails is tried again."""
    stage.call('call demo.flaky {"failures": 2}: the first two attempts fail')
    run = stage.client.submit("demo.flaky", {"failures": 2}).wait(60)
    for attempt in run.attempts:
        why = attempt.error.message if attempt.error else "done"
        stage.answer(f"attempt {attempt.number}: {attempt.outcome} ({why})")
    stage.answer(run.output())
    expect([attempt.outcome for attempt in run.attempts] == ["failed", "failed", "succeeded"], "other attempts")


def refused(stage: Stage) -> None:
    """A wrong input names its place."""
    stage.call('submit demo.count {"to": "many"}: wrong on purpose')
    try:
        stage.client.submit("demo.count", {"to": "many"})
    except InvalidInput as error:
        stage.answer(f"422 {error}")
        expect("/to" in str(error), "the failing path is not named")
        return
    raise StepFailed("a wrong input was accepted")


def repeated(stage: Stage) -> None:
    """One key, one run."""
    stage.call('submit demo.greet twice with Idempotency-Key "tour-once"')
    key = f"tour-once-{new_token()}"
    first = stage.client.submit("demo.greet", {"name": "Grace"}, idempotency_key=key)
    second = stage.client.submit("demo.greet", {"name": "Grace"}, idempotency_key=key)
    stage.answer(f"first {first.id}, second {second.id}: one run")
    expect(first.id == second.id, "two runs were made")


def batch(stage: Stage) -> None:
    """Many at once, each with its own verdict."""
    stage.call("submit a batch of 200 runs of demo.greet, collect every output")
    verdicts = stage.client.submit_many("demo.greet", ({"name": f"guest {n}"} for n in range(200)))
    runs = [verdict.accepted for verdict in verdicts if verdict.accepted is not None]
    outputs = {run.output() for run in stage.client.as_completed(runs, timeout_s=60)}
    stage.answer(f"{len(outputs)} different greetings, e.g. {min(outputs)}")
    expect(len(outputs) == 200, "200 were expected")


def waiting(stage: Stage) -> None:
    """A waiting run can be asked."""
    stage.call("submit demo.greet with delay_s=60 and ask why it does not run")
    run = stage.client.submit("demo.greet", {"name": "Later"}, delay_s=60.0)
    why = run.why()
    stage.answer(f"{why.reasons[0].code}: {why.reasons[0].text}")
    expect(why.waiting and why.reasons[0].code == "DELAYED", "another reason was given")
    run.cancel()


def moved_elsewhere(stage: Stage) -> None:
    """A killed worker loses nothing."""
    stage.call("start a second worker; submit demo.count; kill -9 the link process of whoever took it")
    stage.start_worker("worker-2")
    stage.await_workers(2)
    run = stage.client.submit("demo.count", {"to": 20, "pause_s": 0.1})
    for entry in run.follow():
        if entry.kind == "progress":
            break
    holder = stage.client.run(run.id).attempts[-1].holder
    link = stage.household.kill_link(holder)
    stage.answer(f"killed the link process {link} of {holder} in the middle of the run")
    run.wait(60)
    for attempt in run.attempts:
        stage.answer(f"attempt {attempt.number} on {attempt.holder}: {attempt.outcome} {attempt.moved_on_because}")
    expect(run.output() == 20, "another output")
    expect(run.attempts[-1].holder != holder, f"it ended on {holder} again")


def dead_letter(stage: Stage) -> None:
    """What failed for good can be done again."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "needed.txt"
        stage.call("call demo.needs_file: the file is missing, the run becomes a dead letter")
        run = stage.client.submit("demo.needs_file", {"path": str(path)})
        try:
            run.output(timeout_s=30)
        except RunFailed as error:
            stage.answer(str(error))
        dead = [letter.id for letter in stage.client.dead.all()]
        expect(run.id in dead, "it is not among the dead letters")
        path.write_text("here I am\n", encoding="utf-8")
        stage.call("put the file there, retry the dead letter")
        again = run.retry().wait(30)
        stage.answer(f"new run {again.id}, retry_of {again.state.retry_of}: {again.output()}")
        expect(again.state.retry_of == run.id, "the new run does not name the old one")


def two_readers(stage: Stage) -> None:
    """Everybody reads the same journal."""
    stage.call("two clients follow one run's journal at the same time")
    run = stage.client.submit("demo.count", {"to": 8, "pause_s": 0.15})
    heard: dict[str, list[int]] = {"first": [], "second": []}

    def listen(name: str) -> None:
        with stage.another_client() as reader:
            heard[name] = [entry.seq for entry in reader.run(run.id).follow()]

    threads = [threading.Thread(target=listen, args=(name,)) for name in heard]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    stage.answer(f"both heard entries 1 to {len(heard['first'])}, without gap or repeat")
    whole = list(range(1, len(heard["first"]) + 1))
    expect(len(whole) > 8 and heard["first"] == heard["second"] == whole, f"they heard {heard}")


STEPS: list[Step] = [
    ("A plain run", plain_run),
    ("A run on a real file", real_file),
    ("A long run with live progress", live_progress),
    ("A cancel", cancelled),
    ("A retry, then success", retried),
    ("An invalid input", refused),
    ("An idempotent repeat", repeated),
    ("A batch", batch),
    ("Why is it not running?", waiting),
    ("A worker dies, another finishes", moved_elsewhere),
    ("A dead letter, retried", dead_letter),
    ("Two clients on one journal", two_readers),
    ("A service has registered itself", service_steps.registered),
    ("A call straight through", service_steps.added),
    ("Calls that become runs", service_steps.queued),
    ("A background task with progress", service_steps.progressed),
    ("The service refuses", service_steps.refused),
    ("One document for everything", service_steps.documented),
]


def _some_text() -> Path:
    """A real text file: the README of the folder we stand in, else this very file."""
    readme = Path("README.md")
    return readme if readme.exists() else Path(__file__)
