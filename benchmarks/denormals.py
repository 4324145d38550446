"""What denormal weights cost a matrix product, and what it costs once they are taken for 0.

    python benchmarks/denormals.py --threads=1

The product is that of a layer of xDeepFM's CIN, [200, 700] by [700, 2304]; some of the weights are
denormal, as training leaves them. Each figure comes from a process of its own, in turns, since the
setting stays with the threads that are started under it. Prints a Markdown table with the
milliseconds of the quickest product.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from contextlib import nullcontext

SHARES = (0.0, 0.0001, 0.001, 0.01, 0.06)


def quickest(flushed: bool, threads: int, repeats: int = 20) -> list[float]:
    """Milliseconds of the quickest product with each share of denormal weights."""
    import torch

    from recbole.model.denormals import denormals_flushed

    torch.set_num_threads(threads)
    found = []
    with denormals_flushed() if flushed else nullcontext():
        columns = torch.randn(700, 2304)
        for share in SHARES:
            weights = torch.randn(200, 700)
            weights.view(torch.int32)[torch.rand(200, 700) < share] = 2**10
            best = float("inf")
            for _ in range(repeats):
                start = time.perf_counter()
                weights @ columns
                best = min(best, 1e3 * (time.perf_counter() - start))
            found.append(best)
    return found


def in_a_process(flushed: bool, threads: int) -> list[float]:
    """`quickest` in a process of its own."""
    command = [sys.executable, __file__, f"--threads={threads}", f"--only={int(flushed)}"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return [float(number) for number in done.stdout.split()]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3, help="rounds of turns")
    parser.add_argument("--only", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only is not None:
        print(*quickest(bool(arguments.only), arguments.threads))
        return
    turns = [
        (in_a_process(False, arguments.threads), in_a_process(True, arguments.threads))
        for _ in range(arguments.repeats)
    ]
    print("| denormal weights | as they are, ms | taken for 0, ms | times as fast |")
    print("|---|---|---|---|")
    for place, share in enumerate(SHARES):
        plain, flushed = (min(turn[side][place] for turn in turns) for side in (0, 1))
        print(f"| {100 * share:g} % | {plain:.2f} | {flushed:.2f} | {plain / flushed:.1f} |")


if __name__ == "__main__":
    main()
