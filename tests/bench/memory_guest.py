# SPDX-License-Identifier: GPL-2.0-or-later
"""In the guest of scripts/memory: runs /real, asks ebphd, prints the table."""

import os
import re
import signal
import subprocess
import sys
import time

EVENTS = "/tmp/events.jsonl"
CONFIG = "/tmp/ebph.conf"
LOG = "/tmp/ebphd.log"
CGROUPS = "/sys/fs/cgroup"
TIMEOUT = 5  # s for each program; the machine is emulated
BOUND = {200: 4096, 500: 8192}  # bytes of a profile by its pairs
BOUND_ALL = 8 << 20  # bytes of all maps at 1,000 programs


def read(path):
    with open(path, errors="replace") as file:
        return file.read()


def cgroup(name):
    """A cgroup whose kernel memory is counted; what a map takes is its maker's."""
    path = CGROUPS + "/" + name
    with open(CGROUPS + "/cgroup.subtree_control", "w") as file:
        file.write("+memory")
    os.mkdir(path)
    return path


def charged(path):
    """Bytes of kernel memory."""
    time.sleep(5)  # counted in batches, every two seconds
    return int(re.search(r"^kernel (\d+)", read(path + "/memory.stat"), re.M)[1])


def start(path, *command, **options):
    def enter():
        with open(path + "/cgroup.procs", "w") as file:
            file.write("0")

    return subprocess.Popen(command, preexec_fn=enter, **options)


def wait_for(pattern, path, seconds):
    for _ in range(seconds * 5):
        if os.path.exists(path) and re.search(pattern, read(path)):
            return
        time.sleep(0.2)
    sys.exit("no %s in %s:\n%s" % (pattern, path, read(LOG)))


def run(program):
    child = subprocess.Popen(
        [program, "--help"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, cwd="/tmp", start_new_session=True)
    try:
        child.wait(TIMEOUT)
        late = False
    except subprocess.TimeoutExpired:
        late = True
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    child.wait()
    return late


def programs():
    found = []
    for folder, _, files in os.walk("/real"):
        found += [os.path.join(folder, name) for name in files]
    return sorted(found)


def memory_events():
    """(words, bytes) of each program in /real, and how many other profiles there are."""
    ours, others = [], 0
    for line in read(EVENTS).splitlines():
        if '"event":"memory"' not in line:
            continue
        words = int(re.search(r'"words":(\d+)', line)[1])
        size = int(re.search(r'"bytes":(\d+)', line)[1])
        if '"path":"/real/' in line:
            ours.append((words, size))
        else:
            others += 1
    return sorted(ours), others


def quantile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


failed = False


def row(name, value, unit, bound=0, checked=None):
    global failed
    verdict = ""
    if bound:
        good = (value if checked is None else checked) <= bound
        failed = failed or not good
        verdict = "%s %s" % (bound, "PASS" if good else "**FAIL**")
    print("| %s | %s | %s | %s |" % (name, value, unit, verdict))


def table(ours, others, late, log, kernel, matrix):
    n, sizes, words = len(ours), [size for _, size in ours], [word for word, _ in ours]
    maps, sets = [float(x) * 1e6 for x in re.findall(
        r"maps ([\d.]+) MB, pair sets ([\d.]+) MB", log)[-1]]
    print("| figure | value | | bound |\n|---|--:|---|---|")
    row("programs run with --help", n, "")
    row("of them ended after %d s" % TIMEOUT, late, "")
    row("other profiles (the guest's own)", others, "")
    for share in 0.1, 0.5, 0.9, 0.99:
        row("pairs of a program, quantile %g" % share, quantile(words, share), "")
    row("pairs of a program, most", max(words), "")
    low = 0
    for high, bound in BOUND.items():
        some = [size for word, size in ours if low < word <= high]
        if some:
            row("largest profile of %d to %d pairs (%d programs)" % (low + 1, high, len(some)),
                max(some), "bytes", bound)
        low = high
    row("programs with more than %d pairs" % low, sum(word > low for word in words), "")
    row("largest profile of all", max(sizes), "bytes")
    row("median profile", quantile(sizes, 0.5), "bytes")
    row("mean profile", sum(sizes) // n, "bytes")
    row("pair sets of all, and of the stock of empty ones", int(sets), "bytes")
    row("all other maps", int(maps), "bytes")
    row("all maps at %d profiles" % (n + others), int(maps + sets), "bytes", BOUND_ALL)
    row("kernel memory charged to ebphd, its programs included, at the start", kernel[0], "bytes")
    row("the same at %d profiles" % (n + others), kernel[1], "bytes")
    row("more for each profile, charged", (kernel[1] - kernel[0]) // (n + others), "bytes")
    row("ebpH's layout for %d programs: its two maps, as the kernel says" % n, matrix[0],
        "bytes")
    row("ebpH's layout: kernel memory charged", matrix[1], "bytes")
    row("ebpH's layout: MemAvailable less", matrix[2], "bytes")
    row("ebpH's layout for each program, charged", matrix[1] // n, "bytes")
    row("ebpH's layout over all maps of ebph, as the kernel says",
        "%.0f" % (matrix[0] / (maps + sets)), "x")
    row("ebpH's layout over all of ebph, charged", "%.0f" % (matrix[1] / kernel[1]), "x")


def mem_available():
    return int(re.search(r"MemAvailable: *(\d+)", read("/proc/meminfo"))[1]) * 1024


def matrix_measure(n):
    path = cgroup("matrix")
    before = mem_available()
    child = start(path, "build/tests/bench-matrix", str(n), stdin=subprocess.PIPE,
                  stdout=subprocess.PIPE)
    by_kernel = int(child.stdout.readline())
    result = by_kernel, charged(path), before - mem_available()
    child.stdin.close()
    child.wait()
    return result


def main():
    with open(CONFIG, "w") as file:
        file.write("[log]\nevents = %s\n" % EVENTS)
    path = cgroup("ebphd")
    with open(LOG, "w") as log:
        daemon = start(path, "build/ebphd", "--foreground", "--config", CONFIG,
                       stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    wait_for('"event":"start"', EVENTS, 60)
    before, late, found = charged(path), 0, programs()
    print("%d executables" % len(found), file=sys.stderr)
    for i, program in enumerate(found):
        try:
            late += run(program)
        except OSError as error:
            print("%s: %s" % (program, error), file=sys.stderr)
        if i % 100 == 99:
            print("%d programs" % (i + 1), file=sys.stderr)
    time.sleep(5)  # paths become known, sets grow
    after = charged(path)
    os.kill(daemon.pid, signal.SIGUSR1)
    wait_for('"event":"counters"', EVENTS, 60)
    time.sleep(5)
    ours, others = memory_events()
    log = read(LOG)
    matrix = matrix_measure(len(ours))
    print("\nLinux %s\n" % os.uname().release)
    table(ours, others, late, log, (before, after), matrix)
    print("\n" + "\n".join(log.splitlines()[-12:]), file=sys.stderr)
    daemon.terminate()
    daemon.wait()
    sys.exit(1 if failed else 0)


main()
