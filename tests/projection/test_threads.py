"""Two coordinators in one process begin on one store at once: each thread reads the snapshot for the first time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import os, threading
from spark_plugin.projection.state import State, dump, load

data = dump(State())
for _ in range(20):
    child = os.fork()
    if not child:
        threads = [threading.Thread(target=load, args=(data,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
"""


def test_two_threads_may_read_a_snapshot_for_the_first_time_at_once(tmp_path: Path) -> None:
    program = PROGRAM.replace("import os, threading", "import os, sys, threading\nsys.setswitchinterval(1e-6)")
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-2000:]
