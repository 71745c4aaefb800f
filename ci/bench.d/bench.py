"""Prints the tables of docs/performance.md. Called by ci/bench."""

import json
import math
import os
import platform
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import peers
from measure import Lab, run

SCOPES = {"quick": (1, []), "usual": (3, [1, 10]), "full": (3, [1, 10, 50])}
NAMES = [1, 10, 50, 500, 1000]
RATIO = {50: 1.15, 500: 1.25}


def main(scope, built):
    repeats, peer_names = SCOPES[scope]
    tool, bench = (Path(built).resolve() / name for name in ("countersign", "examples/bench"))
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start, {repeats} runs each\n")
    planning(tool, bench)
    verification(bench)
    # Last, because the other tools take long and mostly wait.
    issuance(tool, bench, repeats, peer_names)


def issuance(tool, bench, repeats, peer_names):
    print("### Issuance: N certificates of one name each, 5 s to INSYNC, 50 ms before each answer, nothing published\n")
    print("| tool | N | wall s | x yardstick | CPU s | RSS MiB | ACME requests | newNonce | Route53 calls | GetChange | reached |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    floors = {}
    for names in NAMES:
        floor, ours = [], []
        for _ in range(repeats):
            floor.append(measure_one(bench, names, lambda lab: yardstick(bench, lab, names)))
            ours.append(measure_one(bench, names, lambda lab: countersign(tool, lab)))
        floors[names] = median(cost.wall for cost, _ in floor)
        show("yardstick", names, floor, floors)
        show("countersign", names, ours, floors, checked=True)
    work = [(tool, names) for names in peer_names for tool in (peers.certbot, peers.lego)]
    # They wait nearly all the time and may do so side by side, each on a lab of its own.
    with ThreadPoolExecutor(2) as pool:
        jobs = [(tool, names, pool.submit(measure_one, bench, names, lambda lab, t=tool, n=names: t(lab, n))) for tool, names in work]
        for peer, names, job in jobs:
            show(peer.__name__, names, [job.result()], floors)
    print()


def measure_one(bench, names, work):
    with Lab(bench, names) as lab:
        cost = work(lab)
        counts = lab.counts()
    if counts["issued"] != names or counts["left_in_dns"]:
        raise SystemExit(f"{names} names: {counts}")
    if os.environ.get("BENCH_VERBOSE"):
        print(cost, counts, file=sys.stderr)
    return cost, counts


def yardstick(bench, lab, names):
    return run([bench, "yardstick", json.dumps(lab.facts), names], lab.dir)


def countersign(tool, lab):
    return run([tool, "apply", "--auto-approve", "--quiet"], lab.dir, lab.aws())


def show(name, names, runs, floors, checked=False):
    wall, cpu, rss = (median(getattr(cost, key) for cost, _ in runs) for key in ("wall", "cpu", "rss"))
    acme, nonce, route53, polls = (
        int(median(counts[key] for _, counts in runs)) for key in ("acme", "new_nonce", "route53", "get_change")
    )
    ratio = wall / floors[names]
    reached = ""
    if checked:
        goals = [
            (f"{RATIO.get(names)} x", ratio <= RATIO.get(names, math.inf)),
            ("100 MiB", rss < 100),
            ("7N + 12", acme <= 7 * names + 12),
            ("40 newNonce", nonce <= 40),
            ("12 + 4⌈N/355⌉", route53 <= 12 + 4 * math.ceil(names / 355)),
        ]
        reached = verdict(goals)
    print(f"| {name} | {names} | {wall:.2f} | {ratio:.2f} | {cpu:.2f} | {rss:.0f} | {acme} | {nonce} | {route53} | {polls} | {reached} |", flush=True)


def verdict(goals):
    missed = [text for text, met in goals if not met]
    return "missed: " + ", ".join(missed) if missed else "all"


def planning(tool, bench):
    print("### `plan --offline`, nothing due (median of 5)\n")
    print("| lineages | wall s | CPU s | RSS MiB | reached |\n|---|---|---|---|---|")
    for names, goal in ((500, "50 ms CPU"), (10_000, "0.5 s, 150 MiB")):
        # In memory if there is a place for it: nothing here is about the disk, and filling it would wait for fsync.
        room = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        with tempfile.TemporaryDirectory(prefix="countersign-bench-", dir=room) as folder:
            run([bench, "world", folder, names], folder)
            run([tool, "verify"], folder)
            run([bench, "fill", folder, names], folder)
            runs = [run([tool, "plan", "--offline", "--detailed-exitcode", "--quiet"], folder) for _ in range(5)]
        wall, cpu, rss = (median(getattr(cost, key) for cost in runs) for key in ("wall", "cpu", "rss"))
        met = cpu < 0.05 if names == 500 else wall < 0.5 and rss < 150
        print(f"| {names} | {wall:.3f} | {cpu:.3f} | {rss:.0f} | {verdict([(goal, met)])} |", flush=True)
    print()


def verification(bench):
    print("### Verification of signed commits that each change the list; the fetch is not counted\n")
    print("| new commits | seconds | then nothing new, ms | CPU s | RSS MiB | reached |\n|---|---|---|---|---|---|")
    for commits, goal in ((10_000, 1), (100_000, 6)):
        with tempfile.TemporaryDirectory(prefix="countersign-bench-") as folder:
            subprocess.run([bench, "history", folder, str(commits)], check=True)
            out = Path(folder) / "walked"
            cost = run(["sh", "-c", f"{bench} walk {folder} >{out}"], folder)
            walked = json.loads(out.read_text())
        assert walked["all"]["commits"] == commits
        seconds, again = walked["all"]["seconds"], walked["nothing_new"]["seconds"] * 1000
        goals = [(f"{goal} s", seconds < goal), ("30 ms", again < 30)]
        print(f"| {commits:,} | {seconds:.2f} | {again:.1f} | {cost.cpu:.2f} | {cost.rss:.0f} | {verdict(goals)} |", flush=True)
    print()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
