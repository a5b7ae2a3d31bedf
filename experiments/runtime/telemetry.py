"""Nobody is told what a user does: the engines' telemetry is off, unless the user has agreed to it before.

OpenVINO and NNCF report to Intel, through Google Analytics, from their import on, where nobody has said no. They do
without where the package ``openvino_telemetry`` is not there. Loads nothing.
"""

import sys
from pathlib import Path

REPORTER = "openvino_telemetry"


def has_agreed(home: Path) -> bool:
    """Whether the user has said yes to OpenVINO (its command ``opt_in_out``), in the home folder ``home``."""
    try:
        return (home / "intel" / REPORTER).read_text(encoding="utf-8").strip() == "1"
    except (OSError, ValueError):
        return False


def switch_off_telemetry() -> None:
    """Hide the reporter from OpenVINO and NNCF; to be called before either is loaded."""
    try:
        agreed = has_agreed(Path.home())
    except RuntimeError:  # there is no home folder
        agreed = False
    if not agreed and REPORTER not in sys.modules:
        sys.modules[REPORTER] = None  # type: ignore[assignment]  # an import of it fails, as if it were not installed
