"""What a scenario found, the table that is printed, and the JSON file."""

import json
import os
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import cpu
from provenance.cli.doctor import is_optimized


@dataclass
class Figure:
    """One measured figure: its name, value and unit, the floor it is held against, and what limits it."""

    scenario: str
    name: str
    value: float
    unit: str
    note: str = ""
    floor: str = ""
    load: str = ""


class Report:
    """Collects figures and prints each as soon as it is known."""

    def __init__(self) -> None:
        self.figures: list[Figure] = []
        self._began = time.monotonic()
        python = platform.python_version() + ("" if is_optimized() else " built without optimisations")
        print(f"{os.cpu_count()} cores, {platform.machine()}, Python {python}")
        print(f"{'scenario':11} {'figure':46} {'value':>10} {'unit':9} {'floor':>8}  what limits it, what it is beside")

    def add(self, scenario: str, name: str, value: float, unit: str, note: str = "", floor: str = "") -> None:
        """Add one figure and print it."""
        figure = Figure(scenario, name, value, unit, note, floor, cpu.load_average())
        self.figures.append(figure)
        print(f"{scenario:11} {name:46} {_shown(value):>10} {unit:9} {floor:>8}  {note}", flush=True)

    def finish(self, path: Path | None) -> None:
        """Print how long it took, and write the JSON file if one is wanted."""
        seconds = time.monotonic() - self._began
        print(f"took {seconds:.0f} s; load of the machine at the end {cpu.load_average()}")
        if path is not None:
            document = {
                "cores": os.cpu_count(),
                "python": platform.python_version(),
                "seconds": round(seconds, 1),
                "figures": [asdict(figure) for figure in self.figures],
            }
            path.write_text(json.dumps(document, indent=2) + "\n")


def _shown(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
