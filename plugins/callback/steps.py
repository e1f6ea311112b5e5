# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The callback that prints a run as one line a step."""

from __future__ import annotations

DOCUMENTATION = r"""
name: steps
type: stdout
author:
  - The mlflow_ops.backend_store authors (@mlflow-ops)
version_added: 0.1.0
short_description: One line per step with its duration, failures once and as text
description:
  - Prints a line for each task that changed something or did more than read, with its duration and, if the play has
    several hosts, its hosts. Skipped tasks, and tasks that only read and found nothing to do, are not printed.
  - A failure is printed once, as text. Reports (P(ansible.builtin.debug#module)) are printed as text.
  - Prints every O(interval) seconds what the run is waiting for.
  - In check mode the lines say what would change, and with C(--diff) how.
  - Results under C(no_log) are not printed, as with P(ansible.builtin.default#callback). With C(-v) all other results
    are.
options:
  interval:
    description:
      - Seconds without output after which the run prints what it is waiting for. V(0) switches this off.
    type: float
    default: 10
    env:
      - name: MLFLOW_OPS_STEPS_INTERVAL
    ini:
      - section: callback_steps
        key: interval
extends_documentation_fragment:
  - result_format_callback
requirements:
  - to be chosen as the stdout callback, with E(ANSIBLE_STDOUT_CALLBACK=mlflow_ops.backend_store.steps), or with
    C(stdout_callback) in C(ansible.cfg)
seealso:
  - plugin: ansible.builtin.default
    plugin_type: callback
"""

EXAMPLES = r"""
ansible.cfg: |
  [defaults]
  stdout_callback = mlflow_ops.backend_store.steps

  [callback_steps]
  interval = 30
"""

import os
import threading
import time
from typing import Any, Mapping

from ansible import constants as C
from ansible import context
from ansible.plugins.callback import CallbackBase
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._report import output

COLOURS = {
    "changed": C.COLOR_CHANGED,
    "would change": C.COLOR_CHANGED,
    "ok": C.COLOR_OK,
    "ignored": C.COLOR_WARN,
    "rescued": C.COLOR_WARN,
}


class CallbackModule(CallbackBase):
    """The callback."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "mlflow_ops.backend_store.steps"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._names: dict[str, str] = {}
        self._since: dict[tuple[str, str], float] = {}  # of what runs, by host and task
        self._progress: dict[tuple[str, str], str] = {}
        self._finished: dict[tuple[str, str], tuple[float, list[str]]] = {}  # by task and status
        self._items: set[tuple[str, str]] = set()  # of which an item's failure was printed
        self._several = False
        self._began = time.monotonic()
        self._said = self._began
        self._live = False
        self._last = ""
        self._end = threading.Event()
        # The thread takes this lock only. What Python's streams lock could be held while Ansible forks.
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    # Printing

    def _say(self, text: str, colour: str | None = None) -> None:
        with self._lock:
            self._clear()
            self._said = time.monotonic()
        self._last = text
        self._display.display(text, color=colour)

    def _clear(self) -> None:
        """Take the line away that is overwritten on a terminal."""
        if self._live:
            self._write("\r\x1b[K")
            self._live = False

    @staticmethod
    def _write(text: str) -> None:
        """Write past Python's streams, whose locks a thread must not hold while another one forks."""
        try:
            os.write(1, text.encode("utf-8", "replace"))
        except OSError:
            pass  # nobody reads it any more

    def _watch(self, interval: float) -> None:
        terminal = os.isatty(1)
        while not self._end.wait(min(1.0, interval / 2)):
            now = time.monotonic()
            with self._lock:
                if (terminal and self._live) or now - self._said >= interval:
                    self._sign_of_life(now, terminal)

    def _sign_of_life(self, now: float, terminal: bool) -> None:
        running = sorted(self._since.items(), key=lambda one: one[1])
        if not running:
            return
        (host, uuid), since = running[0]
        details = [output.duration(now - since, whole=True)]
        if self._several:
            hosts = [one for (one, other), dummy in running if other == uuid]
            details.append(", ".join(hosts[:5]) + (f" and {len(hosts) - 5} more" if len(hosts) > 5 else ""))
        if self._progress.get((host, uuid)):
            details.append(self._progress[host, uuid])
        text = f"  still: {self._names.get(uuid, 'a task')} ({'; '.join(details)})"
        if terminal:
            columns = getattr(self._display, "columns", 79)
            self._write("\r\x1b[K" + text[:columns])
            self._live = True
        else:
            self._write(text + "\n")
            self._said = now

    def _width(self) -> int:
        return max(79, min(120, getattr(self._display, "columns", 79)))

    def _text(self, text: str, colour: str | None = None, first: str = "", rest: str | None = None) -> None:
        for line in output.wrapped(text, self._width(), first, rest):
            self._say(line, colour)

    def _flush(self) -> None:
        """Print the steps that are done: hosts that came out alike share a line."""
        for (uuid, status), (seconds, hosts) in self._finished.items():
            shown = hosts if self._several else []
            self._say(output.row(status, self._names.get(uuid, ""), seconds, shown), COLOURS.get(status))
        self._finished.clear()

    # What Ansible says of a result. Its attributes have no underscore from ansible-core 2.19 on.

    @staticmethod
    def _data(result: Any) -> dict[str, Any]:
        data: dict[str, Any] = result.result if hasattr(result, "result") else result._result
        return data

    @staticmethod
    def _of(result: Any) -> tuple[Any, str, str]:
        """The task, the name of the host, and the key of the task."""
        task = result.task if hasattr(result, "task") else result._task
        host = result.host if hasattr(result, "host") else result._host
        return task, str(host.get_name()), str(task._uuid)

    def _label(self, result: Any) -> str:
        """The host, and to whom the task was delegated."""
        return str(self.host_label(result))

    def _done(self, result: Any) -> float:
        """The seconds that a task took on a host. It does not run any more."""
        dummy, host, uuid = self._of(result)
        with self._lock:
            since = self._since.pop((host, uuid), None)
            self._progress.pop((host, uuid), None)
        return 0.0 if since is None else time.monotonic() - since

    def _verbose(self, result: Any) -> None:
        if self._display.verbosity > 0 and not self._data(result).get("_ansible_verbose_override"):
            self._say(f"    {self._dump_results(self._data(result))}")

    def _predicts(self, task: Any) -> bool:
        return bool(task.check_mode if task.check_mode is not None else context.CLIARGS.get("check"))

    # The run

    def v2_playbook_on_play_start(self, play: Any) -> None:
        self._flush()
        name = play.get_name().strip()
        try:
            hosts = play.get_variable_manager().get_vars(play=play).get("ansible_play_hosts_all", [])
        except Exception:
            hosts = ["", ""]
        self._several = len(hosts) > 1
        predicts = play.check_mode if play.check_mode is not None else context.CLIARGS.get("check")
        self._say(f"\n{name}{' (a prediction: nothing is changed)' if predicts else ''}")
        interval = float(self.get_option("interval") or 0)
        if self._thread is None and interval > 0:
            self._thread = threading.Thread(target=self._watch, args=(interval,), daemon=True)
            self._thread.start()

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self._flush()
        name = str(task.get_name()).strip()
        # The role's name stands before it.
        self._names[str(task._uuid)] = name.split(" : ", 1)[-1] if getattr(task, "_role", None) else name

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        self.v2_playbook_on_task_start(task, False)

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        key = (str(host.get_name()), str(task._uuid))
        self._names.setdefault(key[1], str(task.get_name()).strip())
        with self._lock:
            self._since[key] = time.monotonic()

    def v2_playbook_on_no_hosts_matched(self) -> None:
        self._say(
            "  No host of the inventory matches: check the inventory's groups and --limit.",
            C.COLOR_SKIP,
        )

    def v2_playbook_on_stats(self, stats: Any) -> None:
        self._end.set()
        self._flush()
        if self._thread is not None:
            self._thread.join(2)
        self._say("")
        hosts = sorted(stats.processed)
        bad = False
        for host in hosts:
            counts = stats.summarize(host)
            wrong = bool(counts["failures"] or counts["unreachable"])
            bad = bad or wrong
            colour = C.COLOR_ERROR if wrong else C.COLOR_CHANGED if counts["changed"] else C.COLOR_OK
            self._say(output.recap(host, counts, bool(context.CLIARGS.get("check"))), colour)
        took = output.duration(time.monotonic() - self._began)
        whole = "V=1" if os.environ.get("MLFLOW_OPS_MAKE") else "ANSIBLE_STDOUT_CALLBACK=default"
        self._say(f"It took {took}." + (f" All of the output: {whole}." if bad else ""))

    # Results

    def v2_runner_on_ok(self, result: Any) -> None:
        seconds = self._done(result)
        task, host, uuid = self._of(result)
        data = self._data(result)
        self._handle_warnings(data)
        action = str(task.action).rsplit(".", maxsplit=1)[-1]
        changed = bool(data.get("changed"))
        if action.startswith(("include_", "import_")) and action != "include_vars":
            return
        if action == "debug" and data.get("_ansible_verbose_always"):
            if "results" not in data:
                self._report(result, data, changed and self._predicts(task))
            return
        if changed or not output.is_helper(action) or seconds >= output.LONG:
            status = "ok" if not changed else "would change" if self._predicts(task) else "changed"
            before, hosts = self._finished.get((uuid, status), (0.0, []))
            self._finished[uuid, status] = (max(before, seconds), [*hosts, self._label(result)])
            if not self._several:
                self._flush()
        if "results" not in data:
            self._verbose(result)

    def _report(self, result: Any, data: Mapping[str, Any], predicted: bool) -> None:
        """What a task of ansible.builtin.debug says."""
        self._flush()
        host = self._label(result) if self._several else ""
        value = data.get("msg")
        lines = output.report(value)
        text = output.message(value)
        if lines is not None:
            if self._last:
                self._say("")
            if host:
                self._say(f"[{host}]")
            for line in lines:
                self._say(line)
            self._say("")
        elif text:
            status = "would change" if predicted else "note"
            said = f"[{host}] {text}" if host else text
            self._text(said, C.COLOR_CHANGED if predicted else None, output.start(status), output.INDENT)
        else:
            shown = dict(data)
            self._clean_results(shown, "ansible.builtin.debug")
            self._say(
                f"{output.start('note')}{f'[{host}] ' if host else ''}{self._dump_results(shown).lstrip()}"
            )

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        seconds = self._done(result)
        task, host, uuid = self._of(result)
        data = self._data(result)
        self._handle_warnings(data)
        self._flush()
        status = "ignored" if ignore_errors else "rescued" if self._rescued(task) else "FAILED"
        label = [self._label(result)] if self._several else []
        self._say(
            output.row(status, self._names.get(uuid, ""), seconds, label), COLOURS.get(status, C.COLOR_ERROR)
        )
        if (host, uuid) in self._items:
            self._items.discard((host, uuid))
        else:
            self._why(data, status)
        if self._display.verbosity > 0:
            self._verbose(result)

    def _why(self, data: Mapping[str, Any], status: str) -> None:
        text = output.failure(data)
        if status == "rescued":
            # What follows says what became of it, with the whole reason where it ends the run.
            text = text.splitlines()[0]
            text = text if len(text) <= 200 else text[:200].rsplit(" ", 1)[0] + " ..."
        self._text(text, COLOURS.get(status, C.COLOR_ERROR), output.INDENT)

    @staticmethod
    def _rescued(task: Any) -> bool:
        """Whether tasks follow that deal with a failure of `task`: it is in a block that has some."""
        below, parent = task, getattr(task, "_parent", None)
        while parent is not None:
            # Ansible runs copies, which have the same identifiers.
            inside = {one._uuid for one in getattr(parent, "block", ())}
            if getattr(parent, "rescue", None) and below._uuid in inside:
                return True
            below, parent = parent, getattr(parent, "_parent", None)
        return False

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._done(result)
        self._handle_warnings(self._data(result))

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._done(result)
        task, host, uuid = self._of(result)
        data = self._data(result)
        self._handle_warnings(data)
        self._flush()
        status = "ignored" if task.ignore_unreachable else "UNREACHABLE"
        self._say(
            output.row(status, self._names.get(uuid, ""), None, [self._label(result)]),
            COLOURS.get(status, C.COLOR_UNREACHABLE),
        )
        self._text(output.failure(data), COLOURS.get(status, C.COLOR_UNREACHABLE), output.INDENT)

    # Loops and retries

    def _item(self, result: Any) -> str:
        dummy, host, uuid = self._of(result)
        label = self._get_item_label(self._data(result))
        # Before ansible-core 2.19 a censored item has none.
        label = "(censored)" if label is None else str(label)
        with self._lock:
            self._progress[host, uuid] = f"done: {label[:60]}"
        return label

    def v2_runner_item_on_ok(self, result: Any) -> None:
        label = self._item(result)
        task, dummy, uuid = self._of(result)
        data = self._data(result)
        self._handle_warnings(data)
        if str(task.action).rsplit(".", maxsplit=1)[-1] == "debug" and data.get("_ansible_verbose_always"):
            self._report(result, data, bool(data.get("changed")) and self._predicts(task))
        elif self._display.verbosity > 0:
            self._say(f"    {label}")
            self._verbose(result)

    def v2_runner_item_on_skipped(self, result: Any) -> None:
        self._handle_warnings(self._data(result))

    def v2_runner_item_on_failed(self, result: Any) -> None:
        label = self._item(result)
        dummy, host, uuid = self._of(result)
        data = self._data(result)
        self._handle_warnings(data)
        self._flush()
        self._items.add((host, uuid))
        said = f"{self._label(result)}, {label}" if self._several else label
        self._text(f"{said}: {output.failure(data)}", C.COLOR_ERROR, output.INDENT)
        if self._display.verbosity > 0:
            self._verbose(result)

    def v2_runner_retry(self, result: Any) -> None:
        dummy, host, uuid = self._of(result)
        data = self._data(result)
        with self._lock:
            self._progress[host, uuid] = f"attempt {data.get('attempts', 0) + 1} of {data.get('retries', 0)}"

    # What changes

    def v2_on_file_diff(self, result: Any) -> None:
        dummy, host, uuid = self._of(result)
        data = self._data(result)
        results = data.get("results") if isinstance(data.get("results"), list) else None
        for one in [data] if results is None else results:
            if isinstance(one, Mapping) and one.get("diff") and one.get("changed"):
                text = self._get_diff(one["diff"])
                if text:
                    self._flush()
                    self._say(
                        output.row("diff", self._names.get(uuid, ""), None, [host] if self._several else [])
                    )
                    self._say(text)
