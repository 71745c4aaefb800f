"""Runs a program and tells what it cost; starts the lab that programs are measured in."""

import json
import os
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Cost:
    wall: float
    cpu: float
    rss: float  # MiB, the highest that a process had

    def __add__(self, other):
        return Cost(self.wall + other.wall, self.cpu + other.cpu, max(self.rss, other.rss))


def run(argv, cwd, env=None, ok=(0,)):
    """The cost of one process with its children. One that fails ends the whole run with what it said."""
    with tempfile.TemporaryFile() as said:
        begun = time.monotonic()
        process = subprocess.Popen(
            [str(word) for word in argv], cwd=cwd, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL,
            stdout=said, stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in ok:
            said.seek(0)
            text = said.read().decode(errors="replace")
            raise SystemExit(f"{argv[0]} ended with {process.returncode}:\n{text[-4000:]}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


class Lab:
    """The stand-ins, with a config repo of so many names. 5 s to INSYNC and 50 ms before each answer."""

    def __init__(self, bench, names, insync_ms=5000, latency_ms=50):
        self.folder = tempfile.TemporaryDirectory(prefix="countersign-bench-")
        self.dir = Path(self.folder.name)
        argv = [bench, "lab", self.dir, names, insync_ms, latency_ms]
        self.process = subprocess.Popen([str(word) for word in argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.facts = json.loads(self.process.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        self.folder.cleanup()

    def counts(self):
        """What the servers were asked since the last time."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def aws(self):
        return {
            "AWS_ACCESS_KEY_ID": self.facts["access_key"],
            "AWS_SECRET_ACCESS_KEY": self.facts["secret_key"],
            "AWS_EC2_METADATA_DISABLED": "true",
        }
