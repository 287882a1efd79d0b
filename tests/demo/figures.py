#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Measures the demonstration on a large folder: memory, dispatches, answers, cancelling.

  tests/demo/figures.py PROGRAM FOLDER [N-FILES [N-BYTES]]

Makes FOLDER unless it is there, and leaves it. Needs a display. Memory is the proportional set size
of the program and all it has started, so pages that are shared count once.
"""

import os
import subprocess
import sys
import threading
import time


def make_folder(folder, n_files, n_bytes):
    block = os.urandom(1 << 20)
    size = n_bytes // n_files
    made = 0
    while made < n_files:
        inside = os.path.join(folder, f"{made // 1000:03}", f"{made // 100:04}")
        os.makedirs(inside)
        for number in range(made, min(made + 100, n_files)):
            with open(os.path.join(inside, f"file {number}"), "wb") as file:
                # One in a hundred is large.
                rest = size * 50 if number % 100 == 0 else size * 50 // 99
                while rest > 0:
                    rest -= file.write(block[number % 1000:][:rest])
        made += 100


def descendants(pid):
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as stat:
                    parent = int(stat.read().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def memory(pid):
    total = 0
    for one in descendants(pid):
        try:
            with open(f"/proc/{one}/smaps_rollup") as rollup:
                total += sum(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
        except OSError:
            pass
    return total / 1024


def open_files(pid, folder):
    n_files = 0
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):
            n_files += os.readlink(f"/proc/{pid}/fd/{name}").startswith(folder)
    except OSError:
        pass
    return n_files


def run(arguments, folder, seconds=None):
    """Returns (peak MiB, most files open, what it said, status)."""
    program = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               errors="surrogateescape")
    said = []
    reader = threading.Thread(target=lambda: said.extend(program.stderr))
    printer = threading.Thread(target=program.stdout.read)
    reader.start()
    printer.start()

    peak, most = 0, 0
    start = time.monotonic()
    while program.poll() is None:
        if seconds and time.monotonic() - start > seconds:
            program.terminate()
            break
        peak = max(peak, memory(program.pid))
        most = max(most, open_files(program.pid, folder))
        time.sleep(0.25)

    program.wait()
    reader.join()
    printer.join()
    said = [line for line in said if line.startswith("asynctools-demo:")]
    return peak, most, said, program.returncode


def main():
    program, folder = sys.argv[1], os.path.abspath(sys.argv[2])
    n_files = int(sys.argv[3]) if len(sys.argv) > 3 else 20000
    n_bytes = int(sys.argv[4]) if len(sys.argv) > 4 else 2 << 30
    if not os.path.isdir(folder):
        print(f"Making {n_files} files of {n_bytes / 1e9:.1f} GB in all in {folder}", flush=True)
        make_folder(folder, n_files, n_bytes)

    empty = run([program, "--empty-page"], folder, seconds=6)[0]
    print(f"An empty page: {empty:.0f} MiB", flush=True)

    peak, most, said, status = run([program, "--unattended", "--statistics", folder], folder)
    print(*said, sep="", end="")
    print(f"The whole folder: {peak:.0f} MiB at most, {peak - empty:.0f} more than an empty page; "
          f"{most} files open at most; exit status {status}", flush=True)

    said = run([program, "--unattended", "--statistics", "--cancel-after=3", folder], folder)[2]
    print(*said, sep="", end="")


if __name__ == "__main__":
    main()
